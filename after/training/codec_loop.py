"""Train the codec on a prepared store."""

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from after.codec.autoencoder import Codec
from after.codec.build import build_codec
from after.codec.losses import SpectralLoss
from after.config import to_dict
from after.data.loading.crops import AudioCrops, item_seeds
from after.data.store import Store
from after.features.mel import log_mel_distance
from after.settings import CodecTrainingSettings, TrainingSettings
from after.training.codec_updates import CodecBatch, CodecUpdates, build_loss
from after.training.distributed import process_group, share
from after.training.loop import Task, open_run, run_task
from after.training.outcome import Outcome
from after.training.run import Run

logger = logging.getLogger(__name__)
_VALIDATION_ITEMS = 48
_VALIDATION_BATCH = 8
_EXAMPLES = 3
_LATENT_ITEMS = 128


@torch.no_grad()
def validate(codec: Codec, loss: SpectralLoss, crops: AudioCrops, run: Run, iteration: int) -> float:
    """Reconstruct held-out excerpts; log the losses, audio and spectrograms; give the spectral loss."""
    codec.eval()
    device = next(codec.parameters()).device
    losses, counts, distances = [], [], []
    for number, audio in enumerate(crops.fixed(_VALIDATION_BATCH, _VALIDATION_ITEMS)):
        audio = audio.to(device)
        result, _ = codec(audio)
        losses.append(float(loss(result, audio)))
        counts.append(audio.size(0))  # the last batch may be shorter
        pairs = zip(audio.cpu().numpy(), result.cpu().numpy(), strict=True)
        distances += [log_mel_distance(*pair, codec.sample_rate) for pair in pairs]
        if number == 0:
            _log_examples(run, iteration, loss, audio, result, codec.sample_rate)
    codec.train()
    figures = {"validation/spectral": float(np.average(losses, weights=counts))}
    heard = [distance for distance in distances if np.isfinite(distance)]
    if heard:  # silence has no log-mel distance
        figures["validation/log_mel"] = float(np.mean(heard))
    run.log(iteration, figures)
    return figures["validation/spectral"]


def _log_examples(run: Run, iteration: int, loss: SpectralLoss, audio: Tensor, result: Tensor, rate: int) -> None:
    """Log the first examples as sound and as spectrogram pairs (original above, reconstruction below)."""
    size = min(loss.scales, key=lambda scale: abs(scale - 1024))
    for index in range(min(_EXAMPLES, audio.size(0))):
        run.audio(iteration, f"audio/{index}/original", audio[index], rate)
        run.audio(iteration, f"audio/{index}/reconstruction", result[index], rate)
        spectra = [loss.magnitude(x[index], size)[0].T.flip(0) for x in (audio, result)]
        picture = torch.cat([torch.log10(s[size // 4 :] + 1e-5) / 5 + 1 for s in spectra]).clamp(0, 1)
        run.image(iteration, f"spectrogram/{index}", picture)


def train_codec(
    settings: CodecTrainingSettings,
    store_path: str | Path,
    run_folder: str | Path,
    *,
    time_limit_s: float | None = None,
    device: str = "auto",
) -> Outcome:
    """Train until the iterations are done, the time is up or a signal asks to stop; the same call goes on later.

    Args:
        settings: model and training.
        store_path: from `after prepare_dataset`.
        run_folder: checkpoints, settings, metrics; made if need be.
        time_limit_s: stop (saved) after so many seconds.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        DataError: if the store is empty, or its sample rate is not the codec's.
        CheckpointError: if the folder holds another model's run.
        TrainingError: if the loss is no longer finite.
    """
    training = settings.training
    with process_group(device) as place, Store.open(store_path) as store:
        items = share(training.batch_size)
        with open_run(run_folder, {"kind": "codec", **to_dict(settings)}, training) as run:
            store.check_rate(settings.codec.sample_rate)
            plain = AudioCrops(store, "train", settings.crop_samples)
            crops = AudioCrops(store, "train", settings.crop_samples, augment=settings.augment)
            held_out = AudioCrops(store, "validation", settings.crop_samples)
            torch.manual_seed(training.seed)
            codec = build_codec(settings.codec).to(place)
            codec.fit_latents(plain.batch(0, _LATENT_ITEMS, training.seed).to(place))
            spectral = build_loss(settings).to(place)
            task = Task(
                updates=CodecUpdates(settings, codec),
                run=run,
                settings=training,
                audio_s=training.batch_size * settings.crop_samples / settings.codec.sample_rate,
                batch=lambda iteration: draw_batch(crops, iteration, training, items),
                validate=lambda iteration: validate(codec, spectral, held_out, run, iteration),
            )
            return run_task(task, time_limit_s)


def draw_batch(crops: AudioCrops, iteration: int, training: TrainingSettings, items: range) -> CodecBatch:
    """Draw some items of an iteration's batch."""
    audio = crops.batch(iteration, training.batch_size, training.seed, items=items)
    return CodecBatch(audio, item_seeds(training.seed, iteration, items))

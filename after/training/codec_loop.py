"""Train the codec on a prepared store."""

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from after.codec.autoencoder import Codec, build_codec
from after.codec.losses import AmplitudeLoss, SpectralLoss
from after.config import to_dict
from after.data.dataset import AudioCrops
from after.data.prefetch import Prefetcher
from after.data.store import Store
from after.features.mel import log_mel_distance
from after.settings import CodecTrainingSettings
from after.training.device import autocast, pick_device
from after.training.ema import Ema
from after.training.optim import Schedule, build_adamw, clip_gradients, learning_rate, set_learning_rate
from after.training.outcome import Outcome
from after.training.progress import TrainingProgress
from after.training.run import Run
from after.training.state import TrainState
from after.training.stop import StopRequest, check_finite

logger = logging.getLogger(__name__)
_VALIDATION_ITEMS = 48
_VALIDATION_BATCH = 8
_EXAMPLES = 3
_LATENT_ITEMS = 128


def build_loss(settings: CodecTrainingSettings) -> SpectralLoss:
    """Build the spectral loss from its settings."""
    loss = settings.loss
    return SpectralLoss(loss.scales, floor=loss.floor, linear_weight=loss.linear_weight, log_weight=loss.log_weight)


def _draw_scales(settings: CodecTrainingSettings, iteration: int) -> tuple[int, ...]:
    """Choose the scales of one update: a pure function of seed and iteration."""
    count = settings.loss.scales_per_iteration
    if count == 0 or count >= len(settings.loss.scales):
        return settings.loss.scales
    generator = np.random.default_rng([settings.training.seed, iteration, 1])
    return tuple(int(s) for s in generator.choice(settings.loss.scales, size=count, replace=False))


@torch.no_grad()
def validate(codec: Codec, loss: SpectralLoss, crops: AudioCrops, run: Run, iteration: int) -> float:
    """Reconstruct held-out excerpts; log the losses, audio and spectrograms; give the spectral loss."""
    codec.eval()
    device = next(codec.parameters()).device
    losses: list[float] = []
    distances: list[float] = []
    for number, audio in enumerate(crops.fixed(_VALIDATION_BATCH, _VALIDATION_ITEMS)):
        audio = audio.to(device)
        result, _ = codec(audio)
        losses.append(float(loss(result, audio)))
        for index in range(audio.size(0)):
            pair = (audio[index].cpu().numpy(), result[index].cpu().numpy())
            distance = log_mel_distance(*pair, codec.sample_rate)
            if np.isfinite(distance):
                distances.append(distance)
        if number == 0:
            _log_examples(run, iteration, loss, audio, result, codec.sample_rate)
    codec.train()
    mean = float(np.mean(losses))
    run.log(iteration, {"validation/spectral": mean, "validation/log_mel": float(np.mean(distances))})
    return mean


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
    training, place = settings.training, pick_device(device)
    with Store.open(store_path) as store, Run.open(run_folder, {"kind": "codec", **to_dict(settings)}) as run:
        store.check_rate(settings.codec.sample_rate)
        torch.manual_seed(training.seed)
        codec = build_codec(settings.codec).to(place)
        codec.fit_latents(
            AudioCrops(store, "train", settings.crop_samples).batch(0, _LATENT_ITEMS, training.seed).to(place)
        )
        loss = build_loss(settings).to(place)
        optimizer = build_adamw(
            codec,
            learning_rate=training.optimizer.learning_rate,
            weight_decay=training.optimizer.weight_decay,
            betas=training.optimizer.betas,
        )
        ema = Ema(codec, training.optimizer.ema_decay)
        state = TrainState(modules={"model": codec}, optimizers={"model": optimizer}, emas={"model": ema})
        start = run.restore(state)
        return _loop(settings, store, run, codec, loss, optimizer, ema, state, start, time_limit_s)


def _loop(
    settings: CodecTrainingSettings,
    store: Store,
    run: Run,
    codec: Codec,
    loss: SpectralLoss,
    optimizer: torch.optim.AdamW,
    ema: Ema,
    state: TrainState,
    start: int,
    time_limit_s: float | None,
) -> Outcome:
    """Run the updates, top to bottom: batch, loss, step, average, log, validate, save."""
    training = settings.training
    place = next(codec.parameters()).device
    amplitude_loss = AmplitudeLoss(
        codec.source.frequencies,
        frame_size=settings.codec.decoder_window,
        hop=settings.codec.frame_hop,
        size=settings.loss.amplitude_scale,
    ).to(place)
    network = torch.compile(codec) if training.compile else codec
    crops = AudioCrops(store, "train", settings.crop_samples)
    held_out = AudioCrops(store, "validation", settings.crop_samples)
    schedule = Schedule(
        learning_rate=training.optimizer.learning_rate,
        iterations=training.iterations,
        warmup_iterations=training.optimizer.warmup_iterations,
        final_ratio=training.optimizer.final_ratio,
    )
    seconds = training.batch_size * settings.crop_samples / settings.codec.sample_rate
    progress = TrainingProgress(training.iterations, start=start, audio_s_per_iteration=seconds)
    batches = Prefetcher(lambda i: crops.batch(i, training.batch_size, training.seed), start)
    iteration, metric = start, None
    with batches, progress, StopRequest(time_limit_s) as stop:
        while iteration < training.iterations and not stop.requested:
            audio = next(batches).to(place)
            rate = learning_rate(iteration, schedule)
            set_learning_rate(optimizer, rate)
            with autocast(place, training.precision):
                result, levels = network(audio)
                value = settings.loss.amplitude_weight * amplitude_loss(levels, audio)
            value = value + loss(result, audio, _draw_scales(settings, iteration))
            check_finite(value, iteration)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            norm = clip_gradients(codec.parameters(), training.optimizer.max_grad_norm)
            check_finite(norm, iteration, "gradient norm")
            optimizer.step()
            iteration += 1
            ema.update(iteration)
            progress.update(iteration, {"loss": value})
            if iteration % training.log_every == 0:
                run.log(iteration, {"loss": value, "gradient_norm": norm, "learning_rate": rate})
            if iteration % training.validate_every == 0 or iteration == training.iterations:
                with ema.applied():
                    metric = validate(codec, loss, held_out, run, iteration)
            if iteration % training.save_every == 0:
                run.save(iteration, state, metric)
        if iteration > start and iteration % training.save_every:
            run.save(iteration, state, metric)
        reason = stop.reason if iteration < training.iterations else None
        return Outcome(iteration=iteration, iterations=training.iterations, reason=reason)

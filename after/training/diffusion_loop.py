"""Train the generative model on a prepared store and a trained codec."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from after.codec.load import AnyCodec
from after.config import to_dict
from after.data.extract.latents import codec_hash, encode_store
from after.data.loading.excerpts import Batch, Excerpts, ExcerptSettings, check_lengths
from after.data.store import Store
from after.errors import DataError
from after.model import Model, build_model
from after.settings import DiffusionTrainingSettings, DropoutSettings
from after.training.device import autocast, compiled
from after.training.distributed import from_primary, on_primary, process_group, share
from after.training.loop import Task, open_run, run_task
from after.training.outcome import Outcome
from after.training.run import Run
from after.training.trained_codec import open_training_codec
from after.training.updates import Updates

logger = logging.getLogger(__name__)
_VALIDATION_BATCHES = 4
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the loop works on."""

    model: Model
    codec: AnyCodec
    train: Excerpts
    held_out: Excerpts
    run: Run


def draw_conditions(count: int, dropout: DropoutSettings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw which items keep their structure and their timbre; two bool tensors [count]."""
    u = torch.rand(3, count, generator=generator)
    neither = u[2] < dropout.both
    return (u[0] >= dropout.structure) & ~neither, (u[1] >= dropout.timbre) & ~neither


def compute_loss(
    model: Model,
    batch: Batch,
    settings: DiffusionTrainingSettings,
    generator: torch.Generator,
    place: torch.device,
    items: range | None = None,
) -> Tensor:
    """Give the objective's loss of one batch; all randomness comes from the generator (on the CPU).

    Args:
        model: in training or evaluation mode; may be compiled.
        batch: all items, or this rank's.
        settings: the training.
        generator: draws for the whole batch, on every rank the same.
        place: the model's device.
        items: which of `training.batch_size` items the batch holds; None if it is a whole batch of any size.
    """
    data, structure, excerpt = (x.to(place) for x in (batch.latents, batch.structure, batch.timbre_latents))
    count = data.size(0) if items is None else settings.training.batch_size
    rows = slice(None) if items is None else slice(items.start, items.stop)
    objective = model.sampler.objective
    t = objective.draw_times(count, generator)[rows].to(place)
    noise = torch.randn((count, *data.shape[1:]), generator=generator)[rows].to(place)
    keep_structure, keep_timbre = (x[rows].to(place) for x in draw_conditions(count, settings.dropout, generator))
    shift = torch.randn((count, model.timbre_size), generator=generator)[rows].to(place)
    x_t = objective.mix(data, noise, t)
    timbre_noise = settings.model.timbre.noise * shift
    prediction: Tensor = model(x_t, t, structure, excerpt, timbre_noise, keep_structure, keep_timbre)
    return objective.loss(prediction, data, noise, t)


@torch.no_grad()
def validate(parts: _Parts, settings: DiffusionTrainingSettings, iteration: int) -> float:
    """Measure the objective's loss on held-out files with fixed noise; generate and log a few examples."""
    model = parts.model.eval()
    place = next(model.parameters()).device
    losses = []
    for number in range(_VALIDATION_BATCHES):
        batch = parts.held_out.batch(number, settings.training.batch_size, seed=1)
        generator = torch.Generator().manual_seed(number)
        losses.append(float(compute_loss(model, batch, settings, generator, place)))
    batch = parts.held_out.batch(0, _EXAMPLES, seed=1)
    timbre = model.timbre_encoder(batch.timbre_latents.to(place))
    latents = model.generate(
        batch.structure.to(place),
        timbre,
        seeds=torch.arange(_EXAMPLES, device=place),
        num_steps=settings.validation_steps,
    )
    for index in range(_EXAMPLES):
        for name, rows in (("original", batch.latents.to(place)), ("generated", latents)):
            audio = parts.codec.decode(rows[index : index + 1].transpose(1, 2))[0]
            parts.run.audio(iteration, f"audio/{index}/{name}", audio, parts.codec.sample_rate)
    model.train()
    mean = float(np.mean(losses))
    parts.run.log(iteration, {"validation/loss": mean})
    return mean


def _encode(store_path: str | Path, codec: AnyCodec, settings: DiffusionTrainingSettings) -> str:
    """Encode what the store lacks of this codec's latents, with a progress bar; a complete store is only read."""
    with Store.open(store_path) as store:  # opened for writing, a missing store would be made
        store.check_rate(codec.sample_rate)
        chunk_frames = int(store.manifest["chunk_samples"]) // codec.hop_length
        check_lengths(chunk_frames, settings.crop_frames, settings.timbre_frames)
        keys = store.keys()
        if not any(store.has(key, "notes") for key in keys):
            raise DataError(f"{store.path} has no recordings with notes: prepare it with MIDI files beside the audio")
        name = f"latents/{codec_hash(codec)}"
        if all(store.has(key, name) for key in keys):
            return name
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with Store.open(store_path, "a") as store, bar:
        task = bar.add_task("encoding the store", total=None)
        return encode_store(store, codec, progress=lambda done, total: bar.update(task, completed=done, total=total))


def train_diffusion(
    settings: DiffusionTrainingSettings,
    store_path: str | Path,
    run_folder: str | Path,
    *,
    codec: str | Path,
    codec_sample_rate: int | None = None,
    time_limit_s: float | None = None,
    device: str = "auto",
) -> Outcome:
    """Train until the iterations are done, the time is up or a signal asks to stop; the same call goes on later.

    The store's latents are computed first where this codec's are missing, and kept in the store.

    Args:
        settings: model and training.
        store_path: from `after prepare_dataset`, with notes.
        run_folder: checkpoints, settings, metrics; made if need be.
        codec: run folder or file of a trained codec, or the TorchScript file of another program's.
        codec_sample_rate: Hz, for a TorchScript file that does not state it.
        time_limit_s: stop (saved) after so many seconds.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        DataError: if the store is missing, has no notes or does not fit the codec.
        CheckpointError: if the codec is missing or the folder holds another model's run.
        TrainingError: if the loss is no longer finite.
    """
    training = settings.training
    with process_group(device) as place:
        items = share(training.batch_size)
        network, table = open_training_codec(codec, store_path, run_folder, place, sample_rate=codec_sample_rate)
        frame_rate = network.sample_rate / network.hop_length
        name = from_primary(on_primary(lambda: _encode(store_path, network, settings)) or "")
        snapshot = {"kind": "diffusion", "codec": table, "latents": name, **to_dict(settings)}
        defaults = to_dict(DiffusionTrainingSettings())
        with Store.open(store_path) as store, open_run(run_folder, snapshot, training, defaults) as run:
            torch.manual_seed(training.seed)
            model = build_model(settings.model, network.num_latents).to(place)
            learner = compiled(model, training.compile, place)
            train, held_out = _read_excerpts(store, settings, name, frame_rate)
            parts = _Parts(model, network, train, held_out, run)
            task = Task(
                updates=Updates(model, lambda batch, i: _update_loss(learner, batch, settings, i, items), training),
                run=run,
                settings=training,
                audio_s=training.batch_size * settings.crop_frames / frame_rate,
                batch=lambda iteration: train.batch(iteration, training.batch_size, training.seed, items=items),
                validate=lambda iteration: validate(parts, settings, iteration),
            )
            return run_task(task, time_limit_s)


def _read_excerpts(
    store: Store, settings: DiffusionTrainingSettings, latents_name: str, frame_rate: float
) -> tuple[Excerpts, Excerpts]:
    """Index what is trained on and what is held out."""
    drawn = ExcerptSettings(
        latents_name=latents_name,
        crop_frames=settings.crop_frames,
        timbre_frames=settings.timbre_frames,
        frame_rate=frame_rate,
    )
    return Excerpts(store, "train", drawn), Excerpts(store, "validation", replace(drawn, kinds=("recording",)))


def _update_loss(
    model: Model, batch: Batch, settings: DiffusionTrainingSettings, iteration: int, items: range
) -> Tensor:
    """Give the loss of an update on some items of its batch; randomness depends on seed, iteration and item only."""
    generator = torch.Generator().manual_seed(settings.training.seed * 1_000_003 + iteration)
    place = next(model.parameters()).device
    with autocast(place, settings.training.precision):
        return compute_loss(model, batch, settings, generator, place, items)

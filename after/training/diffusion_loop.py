"""Train the generative model on a prepared store and a trained codec."""

import logging
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from after.codec.load import AnyCodec
from after.config import to_dict
from after.data.extract.latents import codec_hash, encode_store
from after.data.loading.excerpts import Batch, Excerpts, ExcerptSettings, check_lengths
from after.data.loading.structures import structure_reader
from after.data.store import Store
from after.data.trained_on import note_recordings
from after.errors import DataError
from after.model import build_model
from after.settings import DiffusionTrainingSettings
from after.training.distributed import from_primary, on_primary, process_group, share
from after.training.loop import Task, open_run, run_task
from after.training.model_updates import ModelUpdates
from after.training.model_validation import Validation
from after.training.outcome import Outcome
from after.training.trained_codec import open_training_codec

logger = logging.getLogger(__name__)


def _encode(store_path: str | Path, codec: AnyCodec, settings: DiffusionTrainingSettings) -> str:
    """Encode what the store lacks of this codec's latents, with a progress bar; a complete store is only read."""
    with Store.open(store_path) as store:  # opened for writing, a missing store would be made
        store.check_rate(codec.sample_rate)
        chunk_frames = int(store.manifest["chunk_samples"]) // codec.hop_length
        check_lengths(chunk_frames, settings.crop_frames, settings.timbre_frames)
        keys = store.keys()
        reader = structure_reader(settings.model.structure.kind, latents_name="", frame_rate=1.0)
        if not any(reader.has(store, key) for key in keys):
            raise DataError(f"{store.path} has nothing that structure could be made of: {reader.remedy}")
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
            on_primary(lambda: note_recordings(run.folder, store))
            torch.manual_seed(training.seed)
            model = build_model(settings.model, network.num_latents).to(place)
            train, sounding, held_out = _read_excerpts(store, settings, name, frame_rate)
            first = settings.timbre_first.iterations

            def batch(iteration: int) -> Batch:
                excerpts = sounding if iteration < first else train
                return excerpts.batch(iteration, training.batch_size, training.seed, items=items)

            task = Task(
                updates=ModelUpdates(settings, model, len(train.groups), items),
                run=run,
                settings=training,
                audio_s=training.batch_size * settings.crop_frames / frame_rate,
                batch=batch,
                validate=Validation(model, network, held_out, run, settings),
            )
            return run_task(task, time_limit_s)


def _read_excerpts(
    store: Store, settings: DiffusionTrainingSettings, latents_name: str, frame_rate: float
) -> tuple[Excerpts, Excerpts, Excerpts]:
    """Index what is trained on, what of it sounds (silence has no timbre to tell apart), and what is held out."""
    drawn = ExcerptSettings(
        latents_name=latents_name,
        crop_frames=settings.crop_frames,
        timbre_frames=settings.timbre_frames,
        frame_rate=frame_rate,
        timbre_from=settings.timbre_from,
        structure=settings.model.structure.kind,
        with_pitches=settings.disentangling.pitch_critic > 0,
    )
    train = Excerpts(store, "train", drawn)
    if drawn.with_pitches and not train.tell_pitches():
        raise DataError(
            f"disentangling.pitch_critic is {settings.disentangling.pitch_critic:g}, but {store.path} has no pitches: "
            "prepare it with --feature pitch or with MIDI files, or set disentangling.pitch_critic=0"
        )
    first = settings.timbre_first.iterations
    if first and len(train.groups) < 2:
        raise DataError(
            f"timbre_first.iterations is {first}, but {store.path} has one group ({train.groups[0]}): contrast needs "
            "two or more to tell apart. Prepare it with --group-by, or set timbre_first.iterations=0"
        )
    sounding = Excerpts(store, "train", replace(drawn, kinds=("recording", "copy"))) if first else train
    return train, sounding, Excerpts(store, "validation", replace(drawn, kinds=("recording",), with_pitches=True))

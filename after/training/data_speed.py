"""How fast training items are drawn from a store, beside how fast training uses them up."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from after.codec.build import build_codec
from after.codec.load import AnyCodec
from after.data.extract.latents import encode_store
from after.data.loading.crops import AudioCrops
from after.data.loading.excerpts import Batch, Excerpts, ExcerptSettings
from after.data.store import Store
from after.device import pick_device
from after.model import build_model
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings
from after.training.codec_loop import draw_batch
from after.training.codec_updates import CodecUpdates
from after.training.model_losses import compute_loss
from after.training.updates import Updates


@dataclass(frozen=True, slots=True)
class DataSpeed:
    """Seconds of audio per second: drawn by one thread of the loader, and used by training on this machine."""

    name: str
    loaded_s_per_s: float
    trained_s_per_s: float

    @property
    def ratio(self) -> float:
        """How many such trainings one loader thread feeds."""
        return self.loaded_s_per_s / self.trained_s_per_s


def measure_codec_data(
    store_path: str | Path, settings: CodecTrainingSettings, *, seconds: float, device: str = "auto"
) -> DataSpeed:
    """Measure the crops, augmented as the settings say, and updates of a fresh codec.

    Raises:
        DataError: if the store is missing or does not fit the settings.
    """
    training, place = settings.training, pick_device(device)
    audio_s = training.batch_size * settings.crop_samples / settings.codec.sample_rate
    items = range(training.batch_size)
    with Store.open(store_path) as store:
        store.check_rate(settings.codec.sample_rate)
        crops = AudioCrops(store, "train", settings.crop_samples, augment=settings.augment)
        codec = build_codec(settings.codec).to(place)
        codec.fit_latents(crops.batch(0, training.batch_size).to(place))
        updates = CodecUpdates(settings, codec)
        batch = draw_batch(crops, 0, training, items)
        loaded = _rate(lambda i: draw_batch(crops, i, training, items), seconds)
        trained = _rate(lambda i: updates.make(batch, i), seconds)
    return DataSpeed("codec", loaded * audio_s, trained * audio_s)


def measure_model_data(
    store_path: str | Path,
    settings: DiffusionTrainingSettings,
    codec: AnyCodec,
    *,
    seconds: float,
    device: str = "auto",
) -> DataSpeed:
    """Measure the excerpts and updates of a fresh model; the store's latents are computed first where they lack.

    Raises:
        DataError: if the store is missing, has no notes or does not fit the codec.
    """
    training, place = settings.training, pick_device(device)
    frame_rate = codec.sample_rate / codec.hop_length
    with Store.open(store_path, "a") as store:
        name = encode_store(store, codec)
        drawn = ExcerptSettings(
            latents_name=name,
            crop_frames=settings.crop_frames,
            timbre_frames=settings.timbre_frames,
            frame_rate=frame_rate,
        )
        excerpts = Excerpts(store, "train", drawn)
        model = build_model(settings.model, codec.num_latents).to(place)
        generator = torch.Generator().manual_seed(0)
        updates: Updates[Batch] = Updates(
            model, lambda batch, _: compute_loss(model, batch, settings, generator, place), training
        )
        batch = excerpts.batch(0, training.batch_size)
        loaded = _rate(lambda i: excerpts.batch(i, training.batch_size), seconds)
        trained = _rate(lambda i: updates.make(batch, i), seconds)
    audio_s = training.batch_size * settings.crop_frames / frame_rate
    return DataSpeed("model", loaded * audio_s, trained * audio_s)


def _rate(work: Callable[[int], object], seconds: float) -> float:
    """Call `work` for some seconds, and at least twice after a first time; give the calls per second."""
    work(0)
    started_s, number = time.perf_counter(), 0
    while number < 2 or time.perf_counter() - started_s < seconds:
        number += 1
        work(number)
    return number / (time.perf_counter() - started_s)

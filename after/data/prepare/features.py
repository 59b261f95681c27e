"""Which features a store has and is to have, and how a feature is computed again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from after.codec.load import BUNDLED_CODEC
from after.config import to_dict
from after.data.extract.contract import FeatureSettings
from after.data.extract.copies import check_stretcher
from after.data.extract.latents import LatentsSettings
from after.data.extract.registry import build_settings, feature_names
from after.data.prepare.settings import HOP_LENGTH, PrepareSettings
from after.data.records import SourceRecord
from after.data.store import Store
from after.errors import ConfigError, DataError

COPIES = "copies"
"""Not a feature, but made anew like one."""


def choose_features(
    asked: Mapping[str, Mapping[str, Any]], manifest: Mapping[str, Any], device: str
) -> dict[str, FeatureSettings]:
    """Combine the features that are asked for with those that a store has.

    Args:
        asked: options by feature; None means as the store has it, else the default.
        manifest: of the store; empty for a new one.
        device: where networks run.

    Raises:
        ConfigError: if a value is out of range.
        CheckpointError: if there is no such codec.
    """
    stored: Mapping[str, Mapping[str, Any]] = manifest.get("features", {})
    chosen: dict[str, FeatureSettings] = {}
    hop_length = HOP_LENGTH
    for name in feature_names():  # latents come first: their codec decides where frames lie
        if name not in asked and name not in stored:
            continue
        given = {option: value for option, value in asked.get(name, {}).items() if value is not None}
        options = {**stored.get(name, {}), **given}
        if "codec_path" in given:  # the next run may start in another folder
            options["codec_path"] = str(Path(given["codec_path"]).absolute())
        if name == "latents":
            chosen[name] = build_settings(name, {"codec_path": str(BUNDLED_CODEC), **options, "device": device})
            hop_length = chosen[name].to_manifest()["hop_length"]
        elif name == "pitch":
            chosen[name] = build_settings(name, {"hop_length": hop_length, **options, "device": device})
        elif name == "loudness":
            chosen[name] = build_settings(name, {"hop_length": hop_length, **options})
        else:
            chosen[name] = build_settings(name, options)
    return chosen


def options_of(features: Mapping[str, FeatureSettings]) -> dict[str, dict[str, Any]]:
    """Give the options behind features, as a manifest keeps them: without those that belong to this machine."""
    here = {("codec_path", str(BUNDLED_CODEC))}
    return {
        name: {key: value for key, value in to_dict(settings).items() if (key, value) not in here and key != "device"}
        for name, settings in features.items()
    }


def check_plan(features: Mapping[str, FeatureSettings], updates: Sequence[str], settings: PrepareSettings) -> None:
    """Refuse what could not be computed, or made again, from a store with these settings.

    Raises:
        ConfigError: if the store neither has a feature to update nor is asked to have it, or a package is missing.
        DataError: if a feature needs another sample rate or other chunks.
    """
    _check_names(features, updates)
    if settings.copies:
        check_stretcher()
    for name, feature in features.items():
        hop_length = feature.to_manifest().get("hop_length", HOP_LENGTH)
        if settings.chunk_samples % hop_length:
            raise DataError(
                f"chunks of {settings.chunk_samples} samples are no multiple of the hop length {hop_length} of {name}: "
                "give another --chunk-seconds (in a new folder, if the store exists), or another --codec"
            )
        if isinstance(feature, LatentsSettings) and feature.sample_rate != settings.sample_rate:
            raise DataError(
                f"the store's sample rate is {settings.sample_rate} Hz, the codec of --feature latents runs at "
                f"{feature.sample_rate} Hz: make a store with --sample-rate {feature.sample_rate}, or take another "
                "--codec"
            )


def _check_names(features: Mapping[str, FeatureSettings], names: Sequence[str]) -> None:
    """Refuse to update what is not there."""
    known = [*features, COPIES]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"--update {name}: this store has no such feature; it has {', '.join(known)}. To add one, give "
                "--feature without --update"
            )


def begin_updates(store: Store, features: Mapping[str, FeatureSettings], names: Sequence[str]) -> list[str]:
    """Forget the features (or copies) that are to be made again.

    What an interrupted run made goes on, unless it was made with other settings than are asked for now.

    Returns:
        all updates under way, for the manifest: noted there together with their settings, so that a run that is killed
        before finds neither.
    """
    begun = [str(name) for name in store.manifest.get("updating", [])]
    records = store.sources()
    for name in names:
        if name == COPIES and name not in begun:
            store.remove(record.source for record in records if record.kind == "copy")
        elif name != COPIES:
            stale = records if name not in begun else _with_other_settings(store, records, features[name])
            store.features.forget(stale, features[name].name)
    return [*begun, *(name for name in names if name not in begun)]


def _with_other_settings(store: Store, records: Sequence[SourceRecord], wanted: FeatureSettings) -> list[SourceRecord]:
    """Give the recordings that have a feature of other settings."""
    known = ((record, store.features.get(record, wanted.name)) for record in records)
    return [record for record, feature in known if feature and dict(feature.settings) != wanted.to_manifest()]


def end_updates(store: Store) -> None:
    """Note that updates are complete."""
    if "updating" in store.manifest:
        store.write_manifest({key: value for key, value in store.manifest.items() if key != "updating"})

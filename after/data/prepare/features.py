"""Which features a store has and is to have, and how a feature is computed again."""

from collections.abc import Mapping, Sequence
from typing import Any

from after.codec.load import BUNDLED_CODEC
from after.config import to_dict
from after.data.extract.contract import FeatureSettings
from after.data.extract.registry import build_settings, feature_names
from after.data.prepare.settings import HOP_LENGTH
from after.data.store import Store
from after.errors import ConfigError

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


def begin_updates(store: Store, features: Mapping[str, FeatureSettings], names: Sequence[str]) -> list[str]:
    """Forget the features (or copies) that are to be made again; what an interrupted run has begun goes on.

    Returns:
        the names, for `end_updates`.

    Raises:
        ConfigError: if the store neither has a feature nor is asked to have it.
    """
    known = [*features, COPIES]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"--update {name}: this store has no such feature; it has {', '.join(known)}. To add one, give "
                "--feature without --update"
            )
    begun = [str(name) for name in store.manifest.get("updating", [])]
    fresh = [name for name in names if name not in begun]
    records = store.sources()
    for name in fresh:
        if name == COPIES:
            store.remove(record.source for record in records if record.kind == "copy")
        else:
            store.features.forget(records, features[name].name)
    updating = [*begun, *fresh]
    if fresh:
        store.write_manifest({**store.manifest, "updating": updating})
    return updating


def end_updates(store: Store, names: Sequence[str]) -> None:
    """Note that updates are complete."""
    if names:
        store.write_manifest({key: value for key, value in store.manifest.items() if key != "updating"})

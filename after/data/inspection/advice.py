"""What a user should know about a store before training on it."""

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = 3


def advise(manifest: Mapping[str, Any]) -> list[str]:
    """Name odd splits and features that do not fit together, a sentence each."""
    summary = manifest["summary"]
    by_group = manifest.get("settings", {}).get("split_by") == "group"
    return [*_about_splits(summary["groups"], by_group), *_about_features(summary.get("features", []))]


def _about_splits(groups: Mapping[str, Mapping[str, Mapping[str, float]]], by_group: bool) -> Iterator[str]:
    """Name groups that only validate, unless that was asked for, and groups with one file to train on."""
    only_validation = [name for name, sides in groups.items() if sides["validation"]["files"] and not _trains(sides)]
    if only_validation and not by_group:
        yield (
            f"{_list(only_validation)} only in validation: no model hears it in training; "
            "add recordings, or try another --seed"
        )
    lonely = [name for name, sides in groups.items() if _trains(sides) == 1]
    if lonely:
        yield (
            f"{_list(lonely)} with a single file to train on: its timbre is shown by excerpts of the same file; "
            "add recordings, or gather files into larger groups with --group-by"
        )


def _about_features(features: list[Mapping[str, Any]]) -> Iterator[str]:
    """Name features with two sets of settings."""
    names = [feature["name"] for feature in features]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} was computed with different settings: compute all of it again with --update {name}"


def _trains(sides: Mapping[str, Mapping[str, float]]) -> int:
    return int(sides["train"]["files"])


def _list(groups: list[str]) -> str:
    """Name a few groups, and how many there are."""
    number = "1 group" if len(groups) == 1 else f"{len(groups)} groups"
    return f"{number} ({', '.join(groups[:_SHOWN])}{', ...' if len(groups) > _SHOWN else ''})"

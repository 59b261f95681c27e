"""Slakh2100: music rendered from MIDI, one stem for each instrument.

    [train/ validation/ test/ omitted/]  TrackNNNNN/  metadata.yaml  stems/Sxx.flac  MIDI/Sxx.mid  mix.flac  all_src.mid

Source: Manilow, Wichern, Seetharaman and Le Roux 2019, "Cutting Music Source Separation Some Slakh"; the layout is
described in the README of the data set's utilities (github.com/ethman/slakh-utils).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from after.data.parsers.contract import Problem, Recording
from after.data.parsers.walk import is_file, list_folder
from after.errors import DataError

LICENSE = "CC-BY-4.0"

_TRACK = re.compile(r"Track\d{5}")
_FILE_ENDING = re.compile(r"\.[A-Za-z]\w{1,4}$")
_SIDES: Mapping[str, Literal["train", "validation"]] = {"train": "train", "validation": "validation"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Slakh:
    """The stems of Slakh2100 with their notes; mixes are left out.

    The group is the patch that plays (`plugin_name`), for that is what sounds alike. Drums are left out: a roll of
    pitches does not describe them. Tracks in `train` and `validation` stay on their side, those in `test` and
    `omitted` are left out unless that folder is the input, and those in no such folder are left to `--validation`.
    """

    def recognizes(self, root: Path) -> bool:
        """Look for a track: the root itself, in it, or in a folder of a side in it."""
        return next(_tracks(root), None) is not None

    def recordings(self, root: Path) -> Iterator[Recording | Problem]:
        """Give every stem that was rendered."""
        for track, side in _tracks(root):
            for name, stem in _stems(track / "metadata.yaml").items():
                if stem.get("audio_rendered", True) and not stem.get("is_drum", False):
                    yield _recording(track, name, stem, side)


def _tracks(root: Path) -> Iterator[tuple[Path, Literal["train", "validation"] | None]]:
    """Give the folders of tracks with their side."""
    if _is_track(root):
        yield root, _SIDES.get(root.parent.name)
        return
    for folder in list_folder(root):
        if _is_track(folder):
            yield folder, _SIDES.get(root.name)
        elif folder.name in _SIDES:
            yield from ((track, _SIDES[folder.name]) for track in list_folder(folder) if _is_track(track))


def _is_track(folder: Path) -> bool:
    return _TRACK.fullmatch(folder.name) is not None and is_file(folder / "metadata.yaml")


def _stems(path: Path) -> dict[str, Mapping[str, Any]]:
    """Read what a track's metadata says of its stems."""
    remedy = "copy it from the data set again, or remove the track's folder"
    try:
        with path.open("rb") as stream:
            stems = yaml.load(stream, _LOADER)["stems"]
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy}") from error
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} names no stems; {remedy}") from error
    if not isinstance(stems, dict) or not all(isinstance(stem, dict) for stem in stems.values()):
        raise DataError(f"{path} does not describe its stems by name; {remedy}")
    return {str(name): stem for name, stem in stems.items()}


def _recording(
    track: Path, name: str, stem: Mapping[str, Any], side: Literal["train", "validation"] | None
) -> Recording | Problem:
    """Describe one stem."""
    audio = [track / "stems" / f"{name}{suffix}" for suffix in (".flac", ".wav")]
    path = next((path for path in audio if is_file(path)), None)
    if path is None:
        return Problem(audio[0], f"missing: {track.name}/metadata.yaml says that this stem was rendered")
    midi_path = track / "MIDI" / f"{name}.mid"
    return Recording(
        path=path,
        midi_path=midi_path if is_file(midi_path) else None,
        group=_group(stem),
        split=side,
        license=LICENSE,
    )


def _group(stem: Mapping[str, Any]) -> str | None:
    """Give the patch's name without its ending, or else the instrument's."""
    for key in ("plugin_name", "midi_program_name", "inst_class"):
        name = _FILE_ENDING.sub("", str(stem.get(key) or "").strip())
        if name and name != "None":
            return name
    return None

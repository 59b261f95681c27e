"""Timbre references made from folders of recordings, and their file."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from after.audio import read_audio
from after.errors import DataError
from after.evaluation.timbre import TimbreReferences, build_references
from after.features.mfcc import NUM_COEFFICIENTS, mfcc_statistics
from after.files import written_atomically

SAMPLE_RATE = 44100
"""Hz at which recordings are compared; others are resampled, since the bands depend on it."""

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".aiff", ".aif", ".mp3"})

_FORMAT, _VERSION = "after timbre centroids", 1
_BUNDLED = "pretrained/timbre_centroids.json"


def list_instruments(folder: str | Path) -> dict[str, list[Path]]:
    """Find the recordings of each instrument: `folder`/<instrument>/*.wav, .flac, .ogg, .aiff or .mp3.

    Raises:
        DataError: if `folder` is missing or holds no recordings in sub-folders.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give one with a sub-folder of recordings per instrument")
    found = {
        sub.name: sorted(path for path in sub.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES)
        for sub in sorted(root.iterdir())
        if sub.is_dir()
    }
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        raise DataError(f"{root} has no sub-folder with recordings: name one sub-folder after each instrument")
    return found


def describe_recording(path: str | Path) -> NDArray[np.float32]:
    """Give the timbre statistics of one audio file, NaN for a silent one.

    Raises:
        AudioError: if the file cannot be read.
    """
    audio, _ = read_audio(path, sample_rate=SAMPLE_RATE, mono=True)
    return mfcc_statistics(audio, SAMPLE_RATE)


def compute_centroids(folder: str | Path, *, on_progress: Callable[[int, int], None] | None = None) -> TimbreReferences:
    """Average the timbre of each instrument over the recordings in its sub-folder.

    Args:
        folder: holds one sub-folder per instrument; recordings the model was not trained on are best.
        on_progress: called with the number of recordings done and the number of all.

    Returns:
        References in alphabetical order.

    Raises:
        AudioError: if a recording cannot be read.
        DataError: if there are no recordings, or those of an instrument are all silent.
    """
    instruments = list_instruments(folder)
    total = sum(len(paths) for paths in instruments.values())
    described: dict[str, list[NDArray[np.float32]]] = {name: [] for name in instruments}
    done = 0
    for name, paths in instruments.items():
        for path in paths:
            described[name].append(describe_recording(path))
            done += 1
            if on_progress is not None:
                on_progress(done, total)
    return build_references(described)


def references_for_phrase(recordings: Mapping[str, Sequence[Path]], stem: str) -> TimbreReferences | None:
    """Describe how each instrument plays one phrase.

    Args:
        recordings: audio files by instrument.
        stem: file name without suffix: that of the MIDI file which all of them play.

    Returns:
        References, or None if fewer than two instruments play the phrase audibly.

    Raises:
        AudioError: if a recording cannot be read.
    """
    played = {
        name: [describe_recording(path) for path in paths if path.stem == stem][:1]
        for name, paths in recordings.items()
    }
    audible = {name: given for name, given in played.items() if given and np.isfinite(given[0]).all()}
    return build_references(audible) if len(audible) > 1 else None


def save_centroids(path: str | Path, references: TimbreReferences) -> None:
    """Write references as JSON, atomically; about 500 bytes per instrument."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "features": f"mean and standard deviation of MFCC 1 to {NUM_COEFFICIENTS} at {SAMPLE_RATE} Hz",
        "scale": _rounded(references.scale),
        "instruments": {
            name: _rounded(statistics) for name, statistics in zip(references.names, references.statistics, strict=True)
        },
    }
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), 3) for value in values]


def load_centroids(path: str | Path) -> TimbreReferences:
    """Read what `save_centroids` wrote.

    Raises:
        DataError: if the file is missing or not a file of timbre centroids of this version.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} is not a file: make one with `after evaluate --make-centroids FOLDER --out {path}`")
    return _parse(path.read_text(encoding="utf-8", errors="replace"), str(path))


def load_bundled_centroids() -> TimbreReferences | None:
    """Read the references that come with the bundled instrument; None if this installation has none.

    Raises:
        DataError: if the file is damaged.
    """
    bundled = resources.files("after").joinpath(_BUNDLED)
    return _parse(bundled.read_text(encoding="utf-8"), _BUNDLED) if bundled.is_file() else None


def _parse(text: str, origin: str) -> TimbreReferences:
    try:
        content = json.loads(text)
        is_known = content["format"] == _FORMAT and content["version"] == _VERSION
        instruments: Mapping[str, list[float]] = content["instruments"] if is_known else {}
        return TimbreReferences(
            names=tuple(instruments),
            statistics=np.array(list(instruments.values()), dtype=np.float32),
            scale=np.array(content["scale"], dtype=np.float32),
        )
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{origin} is not a file of timbre centroids, version {_VERSION} ({error}): "
            "make one with `after evaluate --make-centroids`"
        ) from error

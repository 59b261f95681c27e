"""Which timbre a person means: a name of the instrument, written loosely, a place on its map, or an audio file."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from after.audio import FloatAudio, read_audio
from render.errors import TimbreError

MIN_TIMBRE_S = 0.2
SILENT_PEAK = 10.0 ** (-70.0 / 20.0)
_PLACE = re.compile(r"([+-]?\d*\.?\d+)\s*,\s*([+-]?\d*\.?\d+)")


def resolve_timbre(asked: str, timbres: Sequence[str], *, has_map: bool = False) -> str:
    """Give the instrument's own name for a timbre, a place `x,y` on its map, or the path of an audio file that exists.

    Capitals, spaces, dashes and underscores do not matter, and part of a name is enough where only one name has it
    (`cello` for `cello_solo`).

    Raises:
        TimbreError: naming the nearest timbre and those that exist, or saying that there is no such place.
    """
    if asked in timbres:
        return asked
    if parse_place(asked) is not None:
        if not has_map:
            raise TimbreError(f"{asked} is a place, but the instrument has no map; it has {_listed(timbres)}")
        return asked
    words = _words(asked)
    same = [name for name in timbres if _words(name) == words]
    if len(same) == 1:
        return same[0]
    partial = [name for name in timbres if words and set(words) <= set(_words(name))]
    if len(partial) == 1:
        return partial[0]
    if Path(asked).is_file():
        return asked
    if len(partial) > 1:
        raise TimbreError(f"timbre {asked!r} could be {_listed(partial)}; write one of them")
    have = f"the instrument has {_listed(timbres)}"
    if Path(asked).suffix or "/" in asked:
        raise TimbreError(f"{asked} is no audio file that exists, nor a timbre; {have}")
    raise TimbreError(f"unknown timbre {asked!r}{_nearest(asked, timbres)}; {have}, or give an audio file")


def parse_place(asked: str) -> tuple[float, float] | None:
    """Give the place (x, y) that a text names, such as `0.3,-0.5`; None if it names none.

    Raises:
        TimbreError: if the place lies outside of the map.
    """
    found = _PLACE.fullmatch(asked.strip())
    if found is None:
        return None
    x, y = float(found[1]), float(found[2])
    if max(abs(x), abs(y)) > 1.0:
        raise TimbreError(f"{asked} lies outside of the map of timbres; write x,y with numbers from -1 to 1")
    return x, y


def read_timbre(path: str | Path, sample_rate: int) -> FloatAudio:
    """Read the recording that a timbre is taken from; [1, T] at `sample_rate`.

    Raises:
        TimbreError: if it is too short or silent, or holds samples that are no numbers.
        AudioError: if it is no audio file.
    """
    audio, _ = read_audio(path, sample_rate=sample_rate, mono=True)
    duration_s = audio.shape[-1] / sample_rate
    if duration_s < MIN_TIMBRE_S:
        raise TimbreError(f"{path} is {duration_s:.2f} s long; give a second or more of the timbre")
    if not np.isfinite(audio).all():
        raise TimbreError(f"{path} holds samples that are NaN or infinite; export it again")
    if np.abs(audio).max() < SILENT_PEAK:
        raise TimbreError(f"{path} is silent; give a recording of the timbre")
    return audio


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", name.lower()))


def _nearest(asked: str, timbres: Sequence[str]) -> str:
    """Say which name comes nearest, by its whole or by one of its words."""
    by_spelling = {word: name for name in timbres for word in _words(name)} | {name.lower(): name for name in timbres}
    close = difflib.get_close_matches(asked.lower(), by_spelling, n=1)
    return f" (did you mean {by_spelling[close[0]]}?)" if close else ""


def _listed(timbres: Sequence[str]) -> str:
    return ", ".join(timbres) if timbres else "no named timbres"

"""What an evaluation plays, in which timbres, and what it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from after.errors import ConfigError
from after.evaluation.phrases import Phrase, read_phrase
from after.evaluation.real_recordings import RealRecordings


@dataclass(frozen=True, slots=True)
class Task:
    """Something to score.

    Attributes:
        phrase: what is played.
        timbre: it is played in, None if unknown.
        reference_path: the same played for real, None if nowhere.
        audio_path: the recording to score, None to render it.
    """

    phrase: Phrase
    timbre: str | None
    reference_path: Path | None = None
    audio_path: Path | None = None


def choose_timbres(known: Sequence[str], asked: Sequence[str], real: RealRecordings | None = None) -> list[str]:
    """Choose the timbres to play in.

    Args:
        known: of the instrument.
        asked: on the command line; all that are known (and recorded) if empty.
        real: recordings that each timbre needs; None if it needs none.

    Returns:
        Names, in the order asked for.

    Raises:
        ConfigError: if one asked for is unknown or has no recordings, or none is left.
    """
    for name in asked:
        _require(name, known, "the instrument has no timbre")
        if real is not None:
            _require(name, list(real.by_instrument), f"{real.folder} has no recordings of")
    names = list(dict.fromkeys(asked or known))
    chosen = names if real is None else [name for name in names if name in real.by_instrument]
    if not chosen:
        folders = f" and {real.folder} holds {', '.join(real.by_instrument)}" if real else ""
        raise ConfigError(
            f"the instrument's timbres are {', '.join(known) or 'not named'}{folders}: "
            "name the sub-folders after the timbres, or say which is which with --rename FOLDER=TIMBRE"
        )
    return chosen


def _require(name: str, known: Sequence[str], complaint: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
        raise ConfigError(f"{complaint} {name!r}; {hint}")


def plan_recorded(real: RealRecordings, timbres: Sequence[str], *, per_timbre: int, max_s: float) -> list[Task]:
    """Plan to play what the instruments' own recordings play, each in its own timbre.

    Raises:
        DataError: if a timbre has no recording with MIDI.
        MidiError: if a MIDI file holds no pitched note in that time.
    """
    return [
        Task(read_phrase(recording.midi, max_s=max_s), timbre, recording.audio)
        for timbre in timbres
        for recording in real.choose(timbre, per_timbre)
        if recording.midi is not None
    ]


def plan_phrases(
    phrases: Sequence[Phrase], timbres: Sequence[str], *, real: RealRecordings | None = None, max_s: float | None = None
) -> list[Task]:
    """Plan to play every phrase in every timbre.

    Where a timbre has a real recording of a phrase's name, that is what it is compared with, and the MIDI file beside
    it, if there is one, says what is played: the same moved into the instrument's range, for instance.

    Raises:
        MidiError: if such a MIDI file cannot be read.
    """
    tasks = []
    for timbre in timbres:
        for written in phrases:
            own = real.get(timbre, written.name) if real is not None else None
            phrase = read_phrase(own.midi, max_s=max_s) if own is not None and own.midi is not None else written
            tasks.append(Task(phrase, timbre, own.audio if own is not None else None))
    return tasks


def plan_given(
    audio: Sequence[Path],
    phrases: Sequence[Phrase],
    timbres: Sequence[str],
    *,
    real: RealRecordings | None = None,
) -> list[Task]:
    """Plan to score recordings that exist.

    Args:
        audio: to score.
        phrases: what they play: one for all or one for each.
        timbres: what they should sound like: none, one for all or one for each.
        real: where the same may be played for real, under the timbre's and the phrase's name.

    Raises:
        ConfigError: if a number does not fit, or `real` has no recordings of a timbre.
    """
    for name, given, fits in (
        ("MIDI files", len(phrases), (1, len(audio))),
        ("timbres", len(timbres), (0, 1, len(audio))),
    ):
        if given not in fits:
            raise ConfigError(f"{len(audio)} recordings and {given} {name}: give one for all or one for each")
    tasks = []
    for index, path in enumerate(audio):
        phrase = phrases[min(index, len(phrases) - 1)]
        timbre = timbres[min(index, len(timbres) - 1)] if timbres else None
        reference = None
        if real is not None and timbre is not None:
            _require(timbre, list(real.by_instrument), f"{real.folder} has no recordings of")
            own = real.get(timbre, phrase.name)
            reference = own.audio if own is not None else None
        tasks.append(Task(phrase, timbre, reference, path))
    return tasks


def with_references(tasks: Sequence[Task], references: Sequence[Path]) -> list[Task]:
    """Compare tasks with the files given for them, one for each and in order; with none, leave them as they are.

    Raises:
        ConfigError: if there is another number of files.
    """
    if not references:
        return list(tasks)
    if len(references) != len(tasks):
        raise ConfigError(f"{len(references)} references for {len(tasks)} recordings: give one for each, in order")
    return [replace(task, reference_path=path) for task, path in zip(tasks, references, strict=True)]

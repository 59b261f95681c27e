"""The data set: which phrase files there are to be, made by several processes, each a function of seed and index."""

import json
import signal
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from after.audio import write_audio
from after.config import to_dict
from after.data.synthesis.library import MidiLibrary
from after.data.synthesis.phrases import draw_phrase
from after.data.synthesis.player import PhraseSynthesizer
from after.data.synthesis.samples import SampledInstrument
from after.data.synthesis.settings import Recipe
from after.errors import DataError
from after.files import written_atomically
from after.midi import write_midi

DESCRIPTION_NAME = "dataset.json"
SCHEMA_VERSION = 1
BLOCK_PHRASES = 8
"""Phrases that a process makes before it asks for more, and that Ctrl-C waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides what the files hold.

    Attributes:
        out: the folder of the set.
        audio_format: `flac` or `wav`.
        phrases: phrases of each instrument.
    """

    out: Path
    recipe: Recipe
    instruments: Mapping[str, SampledInstrument]
    library: MidiLibrary
    seed: int = 0
    phrases: int = 1
    audio_format: str = "flac"

    def files(self, instrument: str, index: int) -> tuple[Path, Path]:
        """Give the audio and the MIDI file of a phrase."""
        stem = self.out / instrument / f"{instrument}_{index:05d}"
        return stem.with_suffix(f".{self.audio_format}"), stem.with_suffix(".mid")

    def is_done(self, instrument: str, index: int) -> bool:
        """Tell whether both files of a phrase exist (they appear whole or not at all)."""
        return all(path.is_file() for path in self.files(instrument, index))


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run made: new phrases, their audio and the time it took in seconds, and phrases that were there before."""

    made: int
    audio_s: float
    wall_s: float
    kept: int


def synthesize(plan: Plan, *, workers: int = 1, progress: Callable[[int, int], None] | None = None) -> Summary:
    """Make every phrase of a plan that is not there yet, and describe the set in `dataset.json`.

    Args:
        plan: what to make; the same plan gives the same files whatever `workers` is and however often it is resumed.
        workers: processes; 1 works in this one.
        progress: called with phrases done and phrases to do.

    Raises:
        DataError: if the folder holds a set made from other settings.
        AudioError: if a recording cannot be read.
    """
    begin_s = time.monotonic()
    _claim(plan)
    missing = {
        name: [index for index in range(plan.phrases) if not plan.is_done(name, index)] for name in plan.instruments
    }
    total = sum(map(len, missing.values()))
    kept = plan.phrases * len(plan.instruments) - total
    blocks = [
        (name, indices[first : first + BLOCK_PHRASES])
        for name, indices in missing.items()
        for first in range(0, len(indices), BLOCK_PHRASES)
    ]
    made, audio_s = 0, 0.0
    results = _run_here(plan, blocks) if workers <= 1 else _run_in_pool(plan, blocks, workers)
    for count, seconds in results:
        made, audio_s = made + count, audio_s + seconds
        if progress:
            progress(made, total)
    _write_json(plan.out / DESCRIPTION_NAME, describe(plan))
    return Summary(made, audio_s, time.monotonic() - begin_s, kept)


def make_phrase(plan: Plan, synthesizer: PhraseSynthesizer, index: int) -> float:
    """Make one phrase: its MIDI file, then its audio. Gives the audio's length in seconds."""
    name = synthesizer.instrument.name
    rng = np.random.default_rng([plan.seed, zlib.crc32(name.encode()), index])
    settings = plan.recipe.phrases
    notes = draw_phrase(
        rng,
        plan.library,
        playable_here(plan, synthesizer),
        settings,
        is_monophonic=synthesizer.traits.is_monophonic,
    )
    gain_db = float(rng.uniform(-settings.level_variation_db, settings.level_variation_db))
    audio = synthesizer.render(notes, gain_db=gain_db)
    audio_path, midi_path = plan.files(name, index)
    write_midi(midi_path, notes)
    write_audio(audio_path, audio, plan.recipe.sample_rate)
    return audio.shape[-1] / plan.recipe.sample_rate


def build_synthesizer(plan: Plan, instrument: str) -> PhraseSynthesizer:
    """Read an instrument's recordings, without the held-out ones."""
    held_out = plan.recipe.hold_out.pitch_class_of(instrument)
    samples = plan.instruments[instrument]
    if held_out is not None:
        samples = samples.without_pitch_class(held_out)
    synthesizer = PhraseSynthesizer(samples, sample_rate=plan.recipe.sample_rate, max_shift=plan.recipe.max_shift)
    if not playable_here(plan, synthesizer):
        raise DataError(f"{instrument} can play only the held-out pitch class; raise max_shift or hold out another")
    return synthesizer


def playable_here(plan: Plan, synthesizer: PhraseSynthesizer) -> frozenset[int]:
    """Give the pitches that an instrument plays in this set: what it can, without the held-out ones."""
    held_out = plan.recipe.hold_out.pitch_class_of(synthesizer.instrument.name)
    return frozenset(pitch for pitch in synthesizer.playable_pitches if pitch % 12 != held_out)


def describe(plan: Plan) -> dict[str, object]:
    """Describe the set as it lies on disk: settings, counts, and whom to credit."""
    instruments = {}
    for name, instrument in plan.instruments.items():
        audio_files = [plan.files(name, index)[0] for index in range(plan.phrases) if plan.is_done(name, index)]
        instruments[name] = {
            "phrases": len(audio_files),
            "seconds": round(sum(soundfile.info(path).duration for path in audio_files), 3),
            "family": instrument.family,
            "recordings": len(instrument.samples),
            "credits": [{"source": source, "licence": licence} for source, licence in instrument.credits],
        }
    return {
        **_identity(plan),
        "phrases_per_instrument": plan.phrases,
        "instruments": instruments,
        "midi": {
            "files": len(plan.library.pieces),
            "held_out": plan.library.held_out,
            "licences": dict(plan.library.licences),
            "attributions": list(plan.library.attributions),
        },
    }


def _identity(plan: Plan) -> dict[str, object]:
    """Give what must not change when a set is continued (more instruments and more phrases may be added)."""
    recipe = {key: value for key, value in to_dict(plan.recipe).items() if key != "instruments"}
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": plan.seed,
        "format": plan.audio_format,
        "recipe": recipe,
        "midi_files": len(plan.library.pieces),
    }


def _claim(plan: Plan) -> None:
    """Create the folder, or make sure that what it holds was made from the same settings."""
    path = plan.out / DESCRIPTION_NAME
    identity = json.loads(json.dumps(_identity(plan)))
    if not path.is_file():
        plan.out.mkdir(parents=True, exist_ok=True)
        _write_json(path, identity)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); remove the folder or choose another") from error
    changed = [key for key, value in identity.items() if not isinstance(found, dict) or found.get(key) != value]
    if changed:
        raise DataError(f"{plan.out} holds a set with other {', '.join(changed)}; choose another --out or remove it")


def _run_here(plan: Plan, blocks: Sequence[tuple[str, list[int]]]) -> Iterator[tuple[int, float]]:
    """Work the blocks in this process."""
    for name, indices in blocks:
        if _worker.get("plan") is not plan:
            _start_worker(plan)
        for index in indices:
            yield 1, make_phrase(plan, _synthesizer_of(name), index)
    _worker.clear()


def _run_in_pool(plan: Plan, blocks: Sequence[tuple[str, list[int]]], workers: int) -> Iterator[tuple[int, float]]:
    """Work the blocks in several processes; an error or Ctrl-C lets the running blocks end and drops the others."""
    start = partial(_start_worker, plan, ignore_interrupt=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=start) as pool:
        waiting: set[Future[tuple[int, float]]] = set()
        try:
            for name, indices in blocks:
                waiting.add(pool.submit(_make_block, name, indices))
                if len(waiting) > 2 * workers:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


_worker: dict[str, object] = {}
"""What a process keeps between blocks: the plan, and the instrument it played last."""


def _start_worker(plan: Plan, *, ignore_interrupt: bool = False) -> None:
    if ignore_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker.clear()
    _worker["plan"] = plan


def _synthesizer_of(name: str) -> PhraseSynthesizer:
    """Give an instrument's synthesizer, kept until another one is asked for."""
    plan, synthesizer = _worker["plan"], _worker.get("synthesizer")
    assert isinstance(plan, Plan)
    if not isinstance(synthesizer, PhraseSynthesizer) or synthesizer.instrument.name != name:
        synthesizer = build_synthesizer(plan, name)
        _worker["synthesizer"] = synthesizer
    return synthesizer


def _make_block(name: str, indices: Sequence[int]) -> tuple[int, float]:
    """Make some phrases of one instrument in a pool process."""
    plan = _worker["plan"]
    assert isinstance(plan, Plan)
    synthesizer = _synthesizer_of(name)
    return len(indices), sum(make_phrase(plan, synthesizer, index) for index in indices)


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

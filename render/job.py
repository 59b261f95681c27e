"""One render as values: what is played, by which instrument, in which timbres, how. Every command renders jobs."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from after.errors import AfterError
from render.arrange import AUTO_TIMBRE, timeline_from_audio, timeline_from_midi
from render.effects import effect_files, load_effects
from render.engine import Progress, RenderResult, RenderSettings, check_kind, render_timeline
from render.errors import EffectError, RenderError, TimbreError
from render.output import describe_render
from render.session.build import build_session, read_session, session_files
from render.source import Recording, read_source, write_down
from render.timeline import Timeline

if TYPE_CHECKING:
    from after.midi import Score
    from render.voices import Instrument

InstrumentLoader = Callable[[Path | None], "Instrument"]
"""Loads an instrument file, or the bundled one."""

MENDABLE = (RenderError, AfterError, OSError)
"""What a job may raise because of what it was given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What to render.

    Attributes:
        source: a MIDI file, a recording, or a session (.toml), which says all the rest itself.
        timbre: of every channel: a name, a place on the map, an audio file, or `auto`.
        timbre_for: the same by MIDI channel, counted from 0; goes before `timbre`.
        instrument: its file; None for the bundled one.
        effects: on the mix: a preset's name or a file.
        transcribe: whether a recording becomes notes where the instrument is played by notes.
        settings: seed, tail, level, attributes of the instrument.
    """

    source: Path
    timbre: str = AUTO_TIMBRE
    timbre_for: tuple[tuple[int, str], ...] = ()
    instrument: Path | None = None
    effects: str = "none"
    transcribe: bool = False
    settings: RenderSettings = field(default_factory=RenderSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A job of which everything that could be checked is in order; `others` are the instruments that tracks name."""

    job: Job
    timeline: Timeline
    instrument: "Instrument"
    settings: RenderSettings
    others: Mapping[Path | None, "Instrument"] = field(default_factory=dict)


def load_instrument(path: Path | None) -> "Instrument":
    """Load an instrument file; None takes the bundled instrument."""
    from after.instrument import Instrument

    return Instrument.load(path)


def prepare_job(job: Job, load: InstrumentLoader = load_instrument) -> Prepared:
    """Read and check what a job names, before the minutes of rendering.

    Raises:
        RenderError: if something does not fit.
        AfterError: if a file cannot be read.
    """
    if is_session(job.source):
        return _prepare_session(job, load)
    source = read_source(job.source)
    effects = load_effects(job.effects)
    instrument = load(job.instrument)
    if isinstance(source, Recording) and job.transcribe and not instrument.plays_audio:
        source = write_down(source, job.source)
    is_recording = isinstance(source, Recording)
    check_kind(instrument, with_notes=not is_recording, with_audio=is_recording)
    return Prepared(job, replace(_timeline(source, job, instrument), effects=effects), instrument, job.settings)


def render_job(prepared: Prepared, progress: Progress | None = None) -> RenderResult:
    """Render a prepared job.

    Raises:
        RenderError: if it cannot be rendered after all.
    """
    return render_timeline(prepared.timeline, prepared.instrument, prepared.settings, progress, others=prepared.others)


def job_files(job: Job) -> tuple[Path, ...]:
    """Give the files that a job reads, but for the instrument's.

    Raises:
        RenderError: if they are named in a file that cannot be read.
    """
    if is_session(job.source):
        return session_files(job.source)
    named = [Path(name) for name in (job.timbre, job.effects, *(timbre for _, timbre in job.timbre_for))]
    return (job.source, *(path for path in named if path.is_file()), *_effect_files(job.effects))


def tags_of(prepared: Prepared) -> dict[str, str]:
    """Give what the file of a render says of where it comes from.

    Raises:
        OSError: if a file cannot be read any more.
    """
    folder = prepared.job.source.parent if is_session(prepared.job.source) else Path()
    named = {name if name is None else folder / name for name in prepared.others}
    own = read_session(prepared.job.source).instrument if is_session(prepared.job.source) else prepared.job.instrument
    hashes = [_instrument_hash(path) for path in (own if own is None else folder / own, *named)]
    return describe_render(prepared.settings.seed, job_hash(prepared.job), hashes)


def job_hash(job: Job) -> str:
    """Give what names the audio of a job: the same for the same package, settings and contents of files, in hex.

    Raises:
        OSError: if a file cannot be read.
    """
    values = {**asdict(job), "package": metadata.version("after-synth")}
    files = session_files(job.source) if is_session(job.source) else (job.source,)
    values["source"] = [_file_hash(path) for path in files]
    values["instrument"] = _instrument_hash(job.instrument)
    values["effect_files"] = [] if is_session(job.source) else _hashes(_effect_files(job.effects))
    for name in ("effects", "timbre"):
        values[name] = _file_hash_if(values[name])
    values["timbre_for"] = [[channel, _file_hash_if(timbre)] for channel, timbre in job.timbre_for]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def is_session(path: Path) -> bool:
    """Tell whether a file is a session, by its suffix."""
    return path.suffix.lower() == ".toml"


def _prepare_session(job: Job, load: InstrumentLoader) -> Prepared:
    """Prepare a session; what it says itself cannot be said otherwise."""
    plain = Job(source=job.source, settings=RenderSettings(**_said_beside(job.settings)))
    if job != plain:
        raise RenderError(
            f"{job.source} is a session, which itself names timbres, instruments, effects and settings: change them "
            "there"
        )
    session = build_session(job.source, load)
    settings = replace(session.settings, **_said_beside(job.settings))
    return Prepared(job, session.timeline, session.instrument, settings, session.others)


def _said_beside(settings: RenderSettings) -> dict[str, Any]:
    """Give what may be said beside a session: the level, and whether stems are wanted."""
    names = ("normalize", "loudness_lufs", "true_peak_dbtp", "keep_stems", "block_size")
    return {name: getattr(settings, name) for name in names}


def _effect_files(name: str) -> tuple[Path, ...]:
    """Give the files that a chain reads; none of one that cannot be built, which `prepare_job` says."""
    with suppress(EffectError):
        return effect_files(load_effects(name))
    return ()


def _hashes(paths: Sequence[Path]) -> list[str]:
    return [_file_hash(path) for path in paths]


def _timeline(source: "Score | Recording", job: Job, instrument: "Instrument") -> Timeline:
    """Put a file on a timeline."""
    timbres, has_map = instrument.timbres, instrument.has_map
    if not isinstance(source, Recording):
        return timeline_from_midi(source, job.timbre, dict(job.timbre_for), timbres=timbres, has_map=has_map)
    if job.timbre_for:
        raise TimbreError("--timbre-for names MIDI channels, a recording has none; use --timbre")
    return timeline_from_audio(source.audio, source.sample_rate, job.timbre, timbres=timbres, has_map=has_map)


def _instrument_hash(path: Path | None) -> str:
    from after.instrument.instrument import BUNDLED

    path = (path or BUNDLED).resolve()
    return _known_hash(path, path.stat().st_mtime_ns)


@cache
def _known_hash(path: Path, mtime_ns: int) -> str:
    return _file_hash(path)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_hash_if(name: str) -> str:
    """Give the hash of the contents where a name is a file's, else the name."""
    path = Path(name)
    return _file_hash(path) if path.is_file() else name

"""A TOML file of cases, each a render whose audio is recorded: what it says, and the jobs that follow from it.

references = "golden"               # a folder beside the file; this is the default

[tolerance]                         # of all cases; see `render.golden.compare.Tolerance`
residual_db = -50

[[case]]
name = "violin"
source = "melody.mid"               # a MIDI file, a recording or a session, relative to this file
timbre = "violin"
steps = 2
tolerance = { length_samples = 64 } # of this case
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from after.config import from_dict
from after.controls import CONTROLS
from after.errors import ConfigError
from render.engine import RenderSettings
from render.golden.compare import Tolerance
from render.golden.errors import GoldenError
from render.golden.reference import NAME
from render.job import Job
from render.options import ATTRIBUTES, parse_timbre_for


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseSettings:
    """One case; beside its name and its tolerance, the options of `after render` in their words.

    Attributes:
        name: of the case and of its reference.
        source: a MIDI file, a recording, or a session, which says all the rest itself.
        timbre: of every channel: a name, a place "x,y", an audio file, or `auto`.
        timbre_for: the same by MIDI channel 1-16.
        instrument: its file; the bundled one if not given.
        effects: on the mix: a preset's name or a file.
        transcribe: whether a recording becomes notes where the instrument is played by notes.
        seed: of the noise.
        steps: of the sampler, and so on: the instrument's attributes; its own if not given.
        tail_seconds: how long the instrument may ring after the end.
        normalize: bring the peak to -1 dBFS.
        loudness: bring the loudness there instead, in LUFS.
        true_peak: with `loudness`: what the peak does not exceed, in dBTP.
        tolerance: what it says goes before the file's.
    """

    name: str
    source: Path
    timbre: str = "auto"
    timbre_for: dict[str, str] = field(default_factory=dict)
    instrument: Path | None = None
    effects: str = "none"
    transcribe: bool = False
    seed: int = 0
    steps: int | None = None
    guidance_structure: float | None = None
    guidance_timbre: float | None = None
    temperature: float | None = None
    transpose: int | None = None
    tail_seconds: float = 3.0
    normalize: bool = False
    loudness: float | None = None
    true_peak: float = -1.0
    tolerance: Tolerance = field(default_factory=Tolerance)

    def __post_init__(self) -> None:
        _require(bool(NAME.fullmatch(self.name)), f"name is {self.name!r}; give letters, digits, _, - and .")
        _require(0 <= self.seed < 2**31, f"seed is {self.seed}; give 0 to {2**31 - 1}")
        _require(0 <= self.tail_seconds <= 60, f"tail_seconds is {self.tail_seconds:g}; give 0 to 60")
        is_loudness = self.loudness is None or -60 <= self.loudness <= 0
        _require(is_loudness, f"loudness is {self.loudness}; give -60 to 0")
        _require(-20 <= self.true_peak <= 0, f"true_peak is {self.true_peak:g}; give -20 to 0")
        for option, attribute in ATTRIBUTES.items():
            value, control = getattr(self, option), CONTROLS[attribute]
            is_inside = value is None or control.minimum <= value <= control.maximum
            _require(is_inside, f"{option} is {value}; give {control.minimum:g} to {control.maximum:g}")


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenSettings:
    """A file of cases.

    Attributes:
        references: the folder of the recorded audio, relative to the file.
        tolerance: of all cases.
        case: what is rendered.
    """

    references: Path = Path("golden")
    tolerance: Tolerance = field(default_factory=Tolerance)
    case: tuple[CaseSettings, ...] = ()

    def __post_init__(self) -> None:
        _require(bool(self.case), "there is no [[case]]; give one at least")
        names = [case.name.lower() for case in self.case]
        twice = sorted({name for name in names if names.count(name) > 1})
        _require(not twice, f"several cases are called {', '.join(twice)}; give each its own name")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A render and where its recorded audio lies (.flac)."""

    name: str
    job: Job
    tolerance: Tolerance
    reference: Path


def read_cases(path: Path, only: Sequence[str] = ()) -> tuple[Case, ...]:
    """Read a file of cases.

    Args:
        path: of the TOML file; what it names is relative to it.
        only: names of the cases that are wanted; all if empty.

    Raises:
        GoldenError: if it is no TOML file, or has no case of that name.
        ConfigError: for unknown keys, wrong types and values out of range, naming file and key.
        TimbreError: if a key of `timbre_for` is no MIDI channel.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GoldenError(f"{path} cannot be read as a file of cases ({error}); give a TOML file") from error
    settings = from_dict(GoldenSettings, _with_tolerances(values), source=str(path))
    cases = {case.name: case for case in settings.case}
    for name in only:
        if name not in cases:
            close = difflib.get_close_matches(name, cases, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(cases)}"
            raise GoldenError(f"{path} has no case {name!r}: {hint}")
    folder = path.parent / settings.references
    return tuple(_make_case(case, path.parent, folder) for case in settings.case if not only or case.name in only)


def _with_tolerances(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in each case's tolerance from the file's; what is no table is left for the check of types to refuse."""
    shared = values.get("tolerance", {})
    cases = values.get("case", [])
    if not isinstance(shared, Mapping) or not isinstance(cases, list):
        return dict(values)
    filled = [
        {**case, "tolerance": {**shared, **case.get("tolerance", {})}}
        if isinstance(case, Mapping) and isinstance(case.get("tolerance", {}), Mapping)
        else case
        for case in cases
    ]
    return {"tolerance": shared, **values, **({"case": filled} if "case" in values else {})}


def _make_case(case: CaseSettings, folder: Path, references: Path) -> Case:
    assignments = [f"{channel}={_beside(folder, timbre)}" for channel, timbre in case.timbre_for.items()]
    attributes = {attribute: getattr(case, option) for option, attribute in ATTRIBUTES.items()}
    job = Job(
        source=folder / case.source,
        timbre=_beside(folder, case.timbre),
        timbre_for=tuple(parse_timbre_for(assignments).items()),
        instrument=None if case.instrument is None else folder / case.instrument,
        effects=_beside(folder, case.effects),
        transcribe=case.transcribe,
        settings=RenderSettings(
            seed=case.seed,
            tail_s=case.tail_seconds,
            normalize=case.normalize,
            loudness_lufs=case.loudness,
            true_peak_dbtp=case.true_peak,
            attributes={name: value for name, value in attributes.items() if value is not None},
        ),
    )
    return Case(name=case.name, job=job, tolerance=case.tolerance, reference=references / f"{case.name}.flac")


def _beside(folder: Path, name: str) -> str:
    """Give the path of a file beside the cases, or the name as it is."""
    return str(folder / name) if (folder / name).is_file() else name

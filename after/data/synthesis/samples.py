"""Multi-sampled instruments: which recordings there are, and what is known about each."""

import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from after.errors import DataError

MANIFEST_NAME = "manifest_instruments.csv"
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".aif", ".aiff", ".mp3"})

_NAMED = (
    re.compile(r"^(?P<name>.+)_m(?P<midi>\d{1,3})_.*_v(?P<velocity>\d{1,3})$"),
    re.compile(r"^(?P<name>.+)_(?P<midi>\d{1,3})_v?(?P<velocity>\d{1,3})$"),
)
_MIN_F0_CONFIDENCE = 0.85
_MAX_F0_CENTS = 70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One recorded note.

    Attributes:
        path: the audio file.
        pitch: the MIDI pitch it is filed under.
        velocity: the MIDI velocity its layer stands for.
        tuning_cents: how far above `pitch` it really sounds; 0 where that could not be measured.
    """

    path: Path
    pitch: int
    velocity: int
    tuning_cents: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledInstrument:
    """The recordings of one instrument, sorted by pitch and velocity.

    Attributes:
        layer_span_db: measured level difference between its softest and loudest layer; None where the layers were
            levelled or there is only one.
        credits: every distinct (source, licence) of its recordings.
    """

    name: str
    samples: tuple[Sample, ...]
    family: str = ""
    articulation: str = ""
    layer_span_db: float | None = None
    credits: tuple[tuple[str, str], ...] = ()
    pitches: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        """Collect the recorded pitches."""
        if not self.samples:
            raise DataError(f"instrument {self.name} has no recordings; give at least one")
        object.__setattr__(self, "pitches", frozenset(sample.pitch for sample in self.samples))

    def without_pitch_class(self, pitch_class: int) -> "SampledInstrument":
        """Give the instrument without its recordings of one pitch class (0 = C), for held-out notes.

        Raises:
            DataError: if nothing would be left.
        """
        kept = tuple(sample for sample in self.samples if sample.pitch % 12 != pitch_class)
        if not kept:
            raise DataError(
                f"instrument {self.name} has recordings of pitch class {pitch_class} only; hold out another"
            )
        return SampledInstrument(
            name=self.name,
            samples=kept,
            family=self.family,
            articulation=self.articulation,
            layer_span_db=self.layer_span_db,
            credits=self.credits,
        )


def load_instruments(folder: str | Path, names: Collection[str] | None = None) -> dict[str, SampledInstrument]:
    """Find the multi-sampled instruments of a folder.

    A `manifest_instruments.csv` inside or beside the folder is used where there is one; its columns `path`,
    `instrument`, `midi`, `velocity` are needed, the others are optional. Otherwise file names tell:
    `<instrument>_m<midi>_<note>_<layer>_v<velocity>.wav` or `<instrument>_<midi>_<velocity>.wav`, in any sub-folder.

    Args:
        folder: the recordings.
        names: which instruments to give, in this order; None gives all.

    Raises:
        DataError: if the folder, a named instrument or a listed recording does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the folder that holds the instruments' recordings")
    manifest = next((path for path in (folder / MANIFEST_NAME, folder.parent / MANIFEST_NAME) if path.is_file()), None)
    found = _from_manifest(manifest, folder) if manifest else _from_file_names(folder)
    if not found:
        raise DataError(
            f"{folder} holds no recordings that can be placed; name them <instrument>_<midi>_<velocity>.wav "
            f"or put a {MANIFEST_NAME} beside them"
        )
    if names is None:
        return found
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"no instrument {', '.join(missing)} in {folder}; it holds {', '.join(found)}")
    return {name: found[name] for name in names}


def _from_manifest(manifest: Path, folder: Path) -> dict[str, SampledInstrument]:
    """Read a manifest; paths in it are relative to its own folder (or to `folder`)."""
    with manifest.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    grouped: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if not {"path", "instrument", "midi", "velocity"} <= row.keys():
            raise DataError(f"{manifest} needs the columns path, instrument, midi, velocity; it has {', '.join(row)}")
        grouped[row["instrument"]].append(row)
    instruments = {}
    for name, members in grouped.items():
        places = [_sample_of(row, manifest, folder) for row in members]
        spans = [_number(row, "layer_span_db", 0.0) for row in members if row.get("layer_level") == "natural"]
        instruments[name] = SampledInstrument(
            name=name,
            samples=tuple(sorted(places, key=_sample_order)),
            family=members[0].get("family", ""),
            articulation=members[0].get("articulation", ""),
            layer_span_db=sum(spans) / len(spans) if spans else None,
            credits=tuple(sorted({(row.get("source", ""), row.get("licence", "")) for row in members})),
        )
    return instruments


def _sample_of(row: Mapping[str, str], manifest: Path, folder: Path) -> Sample:
    """Turn a manifest row into a sample; a doubtful pitch measurement corrects nothing."""
    path = manifest.parent / row["path"]
    if not path.is_file():
        path = folder / row["path"]
    if not path.is_file():
        raise DataError(f"{manifest} lists {row['path']}, which does not exist; fetch it or remove the row")
    cents = _number(row, "f0_cents", 0.0)
    is_sure = row.get("pitch_check", "ok") == "ok" and _number(row, "f0_conf", 1.0) >= _MIN_F0_CONFIDENCE
    return Sample(
        path=path,
        pitch=_midi_number(row, "midi", manifest),
        velocity=_midi_number(row, "velocity", manifest),
        tuning_cents=cents if is_sure and abs(cents) <= _MAX_F0_CENTS else 0.0,
    )


def _from_file_names(folder: Path) -> dict[str, SampledInstrument]:
    """Place recordings by their names."""
    grouped: dict[str, list[Sample]] = defaultdict(list)
    for path in _audio_files(folder):
        match = next((found for pattern in _NAMED if (found := pattern.match(path.stem))), None)
        if match and int(match["midi"]) <= 127 and 1 <= int(match["velocity"]) <= 127:
            sample = Sample(path=path, pitch=int(match["midi"]), velocity=int(match["velocity"]))
            grouped[match["name"]].append(sample)
    return {
        name: SampledInstrument(name=name, samples=tuple(sorted(samples, key=_sample_order)))
        for name, samples in sorted(grouped.items())
    }


def _audio_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in AUDIO_SUFFIXES)


def _sample_order(sample: Sample) -> tuple[int, int, str]:
    return sample.pitch, sample.velocity, sample.path.name


def _midi_number(row: Mapping[str, str], column: str, manifest: Path) -> int:
    value = _number(row, column, -1.0)
    if not 0 <= value <= 127 or value != int(value):
        raise DataError(f"{manifest}: {column} of {row['path']} is {row[column]!r}; it must be a whole number 0-127")
    return int(value)


def _number(row: Mapping[str, str], column: str, default: float) -> float:
    try:
        return float(row.get(column) or default)
    except ValueError:
        return default

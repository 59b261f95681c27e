"""Miniatures of published data sets, in their real layout."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, sine

MAESTRO_COLUMNS = [
    "canonical_composer",
    "canonical_title",
    "split",
    "year",
    "midi_filename",
    "audio_filename",
    "duration",
]


def slakh_stem(plugin_name: str | None, **given: Any) -> dict[str, Any]:
    return {
        "audio_rendered": True,
        "inst_class": "Guitar",
        "integrated_loudness": -12.8,
        "is_drum": False,
        "midi_program_name": "Distortion Guitar",
        "midi_saved": True,
        "plugin_name": plugin_name,
        "program_num": 30,
        **given,
    }


def make_slakh_track(folder: Path, stems: Mapping[str, dict[str, Any]], suffix: str = "flac") -> Path:
    """Write a track; every stem that was rendered has its audio, and its MIDI where that was saved."""
    save(folder / "mix.flac", sine(300, 1.0))
    write_midi(folder / "all_src.mid", [Note(0.1, 60, 100, 0.2)])
    (folder / "MIDI").mkdir()
    for index, (name, stem) in enumerate(stems.items()):
        if stem["audio_rendered"]:
            save(folder / "stems" / f"{name}.{suffix}", sine(200 + 20 * index, 1.0))
        if stem["midi_saved"]:
            write_midi(folder / "MIDI" / f"{name}.mid", [Note(0.1, 40 + index, 100, 0.2)])
    metadata = {
        "UUID": "1a81ae092884234f3264e2f45927f00a",
        "audio_dir": "stems",
        "lmd_midi_dir": "lmd_matched/O/O/H/x.mid",
        "midi_dir": "MIDI",
        "normalization_factor": -13.0,
        "normalized": True,
        "overall_gain": 0.18,
        "stems": dict(stems),
        "target_peak": -1.0,
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    return folder


def make_maestro(root: Path, sides: Sequence[str], table: str = "maestro-v3.0.0.csv") -> Path:
    """Write one performance for each side given, in the years from 2004 on."""
    rows = []
    for index, side in enumerate(sides):
        name = f"{2004 + index}/MIDI-Unprocessed_{index}"
        save(root / f"{name}.wav", sine(200 + 20 * index, 1.0))
        write_midi(root / f"{name}.midi", [Note(0.1, 60 + index, 100, 0.2)])
        title = "24 Preludes Op. 11, No. 13-24"
        rows.append(["Alban Berg", title, side, str(2004 + index), f"{name}.midi", f"{name}.wav", "1.0"])
    write_maestro_table(root / table, rows)
    return root


def write_maestro_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([MAESTRO_COLUMNS, *rows])


def nsynth_entry(instrument: str, pitch: int, velocity: int) -> dict[str, Any]:
    return {
        "note": 201034,
        "note_str": f"{instrument}-{pitch:03d}-{velocity:03d}",
        "instrument": 417,
        "instrument_str": instrument,
        "instrument_family": 3,
        "instrument_family_str": instrument.partition("_")[0],
        "instrument_source": 0,
        "instrument_source_str": "acoustic",
        "pitch": pitch,
        "velocity": velocity,
        "sample_rate": 16000,
        "qualities": [0, 1],
        "qualities_str": ["dark"],
    }


def make_nsynth(folder: Path, entries: Sequence[dict[str, Any]]) -> Path:
    for entry in entries:
        save(folder / "audio" / f"{entry['note_str']}.wav", sine(300, 4.0, 16_000), 16_000)
    write_nsynth_table(folder, entries)
    return folder


def write_nsynth_table(folder: Path, entries: Sequence[dict[str, Any]]) -> None:
    (folder / "examples.json").write_text(json.dumps({entry["note_str"]: entry for entry in entries}))

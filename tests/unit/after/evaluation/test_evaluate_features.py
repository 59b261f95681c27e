"""`after evaluate_features`: what it prints, what it writes, and what it refuses in one line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from after.audio import write_audio
from after.cli import group
from after.midi import Note, PedalEvent, write_midi
from tests.signals import noise
from tests.unit.after.evaluation.melody import MELODY, RATE, play


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["evaluate_features", *map(str, arguments)])


def record(name: str, notes: list[Note], semitones: int = 0, pedals: tuple[PedalEvent, ...] = ()) -> None:
    """Write a recording of notes, and a MIDI file that may say something else."""
    write_audio(f"{name}.wav", play(notes)[None], RATE)
    moved = [Note(note.onset_s, note.pitch + semitones, note.velocity, note.duration_s) for note in notes]
    write_midi(f"{name}.mid", moved, pedals)


def test_right_notes_and_wrong_ones_by_group() -> None:
    record("in/right/a", MELODY)
    record("in/wrong/a", MELODY, semitones=1)
    write_audio("in/right/alone.wav", noise(1.0), RATE)
    Path("in/wrong/broken.wav").write_bytes(b"RIFF")
    write_midi("in/wrong/broken.mid", MELODY)
    result = evaluate("in", "--json", "figures.json")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("left out: ") == 1
    assert "broken.wav" in result.stderr
    data = json.loads(Path("figures.json").read_text())
    right, wrong = data["groups"]["right"], data["groups"]["wrong"]
    assert (right["files"], wrong["files"], data["overall"]["files"]) == (1, 1, 2)
    assert right["notes"]["onset"] == {"precision": 1, "recall": 1, "f1": 1}
    assert right["notes"]["onset_and_offset"]["f1"] >= 0.875
    assert wrong["notes"]["onset"] == {"precision": 0, "recall": 0, "f1": 0}
    assert data["overall"]["notes"]["onset"]["f1"] == 0.5
    assert [group["pitch"]["score"]["raw"] for group in (right, wrong, data["overall"])] == [1.0, 0.0, 0.5]
    assert right["loudness"]["mean_db"] < 0.2
    assert data["settings"]["crepe"] == "tiny"
    assert [row["name"] for row in data["recordings"]] == ["a", "a"]
    rows = [line.split("│") for line in result.stdout.splitlines() if line.startswith("│ all ")]
    assert [row[7].strip() for row in rows[:1]] == ["0.500"]
    assert rows[1][3].strip() == "0.500"


def test_the_pedal_lengthens_what_is_played() -> None:
    held = [Note(0.25, 60, 90, 0.2)]
    write_audio("in/a.wav", play([Note(0.25, 60, 90, 0.8)])[None], RATE)
    write_midi("in/a.mid", held, [PedalEvent(0.3, True), PedalEvent(1.05, False)])
    result = evaluate("in", "--json", "figures.json")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("figures.json").read_text())["overall"]["notes"]["onset_and_offset"]["f1"] == 1


def test_the_first_recordings_of_each_group() -> None:
    for name in ("in/x/b", "in/x/a", "in/y/c"):
        record(name, MELODY[:1])
    result = evaluate("in", "--limit", 1, "--json", "figures.json")
    assert result.exit_code == 0, result.output
    rows = json.loads(Path("figures.json").read_text())["recordings"]
    assert [(row["group"], row["name"]) for row in rows] == [("x", "a"), ("y", "c")]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["empty"], "no audio under empty"),
        (["plain"], "none of the 1 recordings under plain has a MIDI file"),
        (["broken"], "none of the 1 recordings can be measured"),
        (["plain", "--json", "text/figures.json"], "text"),
        (["plain", "--limit", "0"], "--limit"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], complaint: str) -> None:
    Path("empty").mkdir()
    Path("text").write_text("not a folder")
    write_audio("plain/a.wav", noise(0.6), RATE)
    record("broken/a", MELODY[:1])
    Path("broken/a.mid").write_text("not MIDI")
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len([line for line in result.stderr.splitlines() if not line.startswith("left out")]) == 1

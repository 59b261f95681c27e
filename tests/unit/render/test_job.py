"""A job says by its hash whether its audio would be the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from after.audio import write_audio
from render.engine import RenderSettings
from render.errors import RenderError, TimbreError, TimelineError
from render.job import Job, job_hash, prepare_job, render_job
from tests.unit.data.audio_folder import sine


@pytest.fixture
def files(tmp_path: Path, song: Path) -> Job:
    effects, player, voice = tmp_path / "fx.toml", tmp_path / "player.ts", tmp_path / "voice.wav"
    effects.write_text('[[effect]]\nplugin = "Gain"\ngain_db = -3.0\n')
    player.write_bytes(b"an instrument")
    write_audio(voice, np.full((1, 44100), 0.1, dtype=np.float32), 44100)
    return Job(source=song, timbre=str(voice), timbre_for=((3, "cello"),), instrument=player, effects=str(effects))


def test_the_hash_is_that_of_contents_not_of_places(files: Job, tmp_path: Path) -> None:
    moved = tmp_path / "moved.mid"
    moved.write_bytes(files.source.read_bytes())
    assert job_hash(replace(files, source=moved)) == job_hash(files)


@pytest.mark.parametrize("name", ["song.mid", "fx.toml", "player.ts", "voice.wav"])
def test_a_changed_file_changes_the_hash(files: Job, tmp_path: Path, name: str) -> None:
    before = job_hash(files)
    path = tmp_path / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert job_hash(files) != before


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": RenderSettings(seed=1)},
        {"settings": RenderSettings(attributes={"num_steps": 2})},
        {"timbre_for": ((3, "flute"),)},
        {"timbre": "flute"},
        {"effects": "room"},
        {"instrument": None},
    ],
)
def test_a_changed_setting_changes_the_hash(files: Job, changed: dict[str, object]) -> None:
    assert job_hash(replace(files, **changed)) != job_hash(files)  # type: ignore[arg-type]


def test_a_job_is_checked_before_it_is_rendered(song: Path, instrument: object) -> None:
    with pytest.raises(TimbreError, match="kazoo"):
        prepare_job(Job(source=song, timbre="kazoo"), lambda path: instrument)  # type: ignore[arg-type, return-value]
    prepared = prepare_job(Job(source=song, timbre="flute"), lambda path: instrument)  # type: ignore[arg-type, return-value]
    assert [track.timbre for track in prepared.timeline.tracks] == ["flute", "flute"]
    assert np.abs(render_job(prepared).audio).max() > 0


def test_a_recording_becomes_notes_for_an_instrument_that_is_played_by_notes(
    tmp_path: Path, instrument: object
) -> None:
    """Four tones of which the notes are known; the additive instrument shows which notes it was given."""
    tones = [
        sum(sine(440 * 2 ** ((pitch - 69) / 12) * h, 0.5, level=0.2 / h) for h in (1, 2, 3))
        for pitch in (60, 64, 67, 72)
    ]
    write_audio(tmp_path / "voice.wav", np.concatenate(tones)[None].astype(np.float32), 44100)
    job = Job(source=tmp_path / "voice.wav", timbre="flute", transcribe=True)
    prepared = prepare_job(job, lambda path: instrument)  # type: ignore[arg-type, return-value]
    notes = prepared.timeline.tracks[0].notes()
    assert [note.pitch for note in notes] == [60, 64, 67, 72]
    assert [note.onset_s for note in notes] == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=0.06)
    write_audio(tmp_path / "hush.wav", np.zeros((1, 44100), dtype=np.float32), 44100)
    with pytest.raises(RenderError, match="no notes were found"):
        prepare_job(replace(job, source=tmp_path / "hush.wav"), lambda path: instrument)  # type: ignore[arg-type, return-value]
    with pytest.raises(TimelineError, match="played by notes, not by audio"):
        prepare_job(replace(job, transcribe=False), lambda path: instrument)  # type: ignore[arg-type, return-value]

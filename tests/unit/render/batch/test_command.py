"""`after batch` in one process: what it writes, leaves, refuses and says."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from after.midi import Note, write_midi
from tests.unit.render.batch.batches import (
    after,
    assert_one_line,
    batch,
    names,
    outputs,
    rendered_alone,
    times,
    write_song,
    write_songs,
)


def test_every_file_is_what_render_makes_of_it_and_a_broken_one_costs_itself_only() -> None:
    write_songs()
    result = batch("stems/**/*.mid", "--seed", 3, "--report", "report.json")
    assert result.exit_code == 3, result.output
    assert names() == ["a.wav", "low/b.wav"]
    for name, written in outputs().items():
        source = f"stems/{Path(name).with_suffix('.mid')}"
        assert written == rendered_alone(source, "--timbre", "bright", "--seed", 3, out="alone.wav")
    assert "3 files: 2 rendered, 0 there already, 1 failed" in result.stdout
    assert "failed out/low/bad.wav: " in result.stdout
    assert "truncated or not a MIDI file" in result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert "3/3 files" in lines[-1]
    assert "0:00:00 left" in lines[-1]


def test_the_report_says_what_became_of_each_file() -> None:
    write_songs()
    assert batch("stems", "--report", "made/report.json").exit_code == 3
    report = json.loads(Path("made/report.json").read_text())
    totals, jobs = report["totals"], {Path(job["source"]).name: job for job in report["jobs"]}
    assert {name: jobs[name]["status"] for name in jobs} == {
        "a.mid": "rendered",
        "b.mid": "rendered",
        "bad.mid": "failed",
    }
    assert (totals["jobs"], totals["rendered"], totals["failed"], totals["there"]) == (3, 2, 1, 0)
    made = jobs["b.mid"]
    info = soundfile.info(made["output"])
    assert made["audio_s"] == info.frames / info.samplerate
    assert made["real_time_factor"] == pytest.approx(made["seconds"] / made["audio_s"])
    assert totals["audio_s"] == pytest.approx(made["audio_s"] + jobs["a.mid"]["audio_s"])
    assert totals["audio_s_per_s"] == pytest.approx(totals["audio_s"] / totals["wall_s"])
    assert jobs["bad.mid"]["error"].endswith("export it again")
    assert (made["error"], jobs["bad.mid"]["traceback"]) == (None, None)
    assert report["is_interrupted"] is False


def test_remarks_are_reported() -> None:
    write_midi("drums.mid", [Note(0.0, 60, 90, 0.3), Note(0.0, 36, 100, 0.1, midi_channel=9)])
    assert batch("drums.mid", "--report", "report.json", "--normalize").exit_code == 0
    (job,) = json.loads(Path("report.json").read_text())["jobs"]
    assert any("drums" in remark for remark in job["remarks"])
    assert any("normalised" in remark for remark in job["remarks"])


def test_the_same_command_again_renders_what_is_missing_or_changed_only() -> None:
    write_songs()
    assert batch("stems").exit_code == 3
    before, at = outputs(), times()
    result = batch("stems")
    assert result.exit_code == 3
    assert "0 rendered, 2 there already, 1 failed" in result.stdout
    assert times() == at
    Path("out/a.wav").unlink()
    write_song("stems/low/bad.mid", 50)
    result = batch("stems")
    assert "2 rendered, 1 there already" in result.stdout
    assert result.exit_code == 0
    assert {name: outputs()[name] for name in before} == before
    assert times()["low/b.wav"] == at["low/b.wav"]
    write_song("stems/a.mid", 70)
    assert "1 rendered, 2 there already" in batch("stems").stdout
    assert outputs()["a.wav"] != before["a.wav"]
    assert "3 rendered, 0 there already" in batch("stems", "--seed", 5).stdout
    assert "0 rendered, 3 there already" in batch("stems", "--seed", 5).stdout


def test_force_renders_all_again() -> None:
    write_song("stems/a.mid", 60)
    assert batch("stems").exit_code == 0
    at = times()
    assert "1 rendered" in batch("stems", "--force").stdout
    assert times() != at


def test_an_edited_output_is_left_alone_and_named() -> None:
    write_songs()
    batch("stems")
    Path("out/a.wav").write_bytes(b"edited")
    result = batch("stems")
    assert result.exit_code == 3
    assert "refused out/a.wav: " in result.stdout
    assert "was changed since it was rendered" in result.stdout
    assert Path("out/a.wav").read_bytes() == b"edited"
    assert batch("stems/a.mid", "--force").exit_code == 0
    assert soundfile.info("out/a.wav").frames > 0


def test_a_dry_run_says_all_and_writes_nothing() -> None:
    write_songs()
    write_song("stems/c.mid", 60)
    result = batch("stems", "--dry-run")
    assert result.exit_code == 0, result.output
    assert not Path("out").exists()
    assert "4 files: 4 to render, 0 there already, 0 refused" in result.stdout
    batch("stems")
    write_song("stems/a.mid", 61)
    Path("out/c.wav").write_bytes(b"edited")
    at = times()
    lines = batch("stems", "--dry-run").stdout.splitlines()
    assert [(line.split()[0], line.split()[1]) for line in lines[:-1]] == [
        ("render", "out/a.wav"),
        ("refuse", "out/c.wav"),
        ("skip", "out/low/b.wav"),
        ("render", "out/low/bad.wav"),
    ]
    assert lines[-1] == "4 files: 2 to render, 1 there already, 1 refused"
    assert times() == at


def test_several_timbres_and_effects() -> None:
    write_song("stems/a.mid", 60)
    assert batch("stems", "--timbre", "dark", "--effects", "room", "--format", "flac").exit_code == 0
    assert names() == ["bright/a.flac", "dark/a.flac"]
    options = ("--timbre", "dark", "--effects", "room")
    assert outputs()["dark/a.flac"] == rendered_alone("stems/a.mid", *options, out="alone.flac")


def test_jobs_of_a_file_do_not_leak_into_each_other() -> None:
    write_song("a.mid", 60)
    Path("jobs.csv").write_text(
        "source,out,steps,temperature,transpose,timbre\na.mid,first,1,0.2,12,dark\na.mid,second,,,,\na.mid,third,4,,,\n"
    )
    result = batch("--jobs", "jobs.csv", "--seed", 2)
    assert result.exit_code == 0, result.output
    first = ("--steps", 1, "--temperature", 0.2, "--transpose", 12, "--timbre", "dark")
    shared = ("--seed", 2)
    assert outputs()["first.wav"] == rendered_alone("a.mid", *first, *shared, out="alone.wav")
    assert outputs()["second.wav"] == rendered_alone("a.mid", "--timbre", "bright", *shared, out="alone.wav")
    third = ("--timbre", "bright", "--steps", 4)
    assert outputs()["third.wav"] == rendered_alone("a.mid", *third, *shared, out="alone.wav")
    assert len(set(outputs().values())) == 3


def test_a_session_is_rendered_like_a_file() -> None:
    write_song("a.mid", 60)
    Path("session.toml").write_text(
        'instrument = "tiny.safetensors"\n[[track]]\nname = "lead"\ntimbre = "dark"\n[[track.clip]]\nfile = "a.mid"\n'
    )
    result = after("batch", "*.toml", "--out", "out", "--workers", 0)
    assert result.exit_code == 0, result.output
    assert after("render", "session.toml", "-o", "alone.wav").exit_code == 0
    assert outputs()["session.wav"] == Path("alone.wav").read_bytes()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], ["nothing to render"]),
        (["stems", "--jobs", "jobs.csv"], ["both INPUT and --jobs"]),
        (["missing/*.mid"], ["missing/*.mid"]),
        (["stems", "--timbre", "brigth"], ["unknown timbre 'brigth'", "did you mean bright"]),
        (["stems", "--timbre-for", "17=bright"], ["--timbre-for 17=bright"]),
        (["stems", "--effects", "rom"], ["did you mean room?"]),
        (["stems", "--bit-depth", "32", "--format", "flac"], ["flac holds 16 or 24 bits"]),
        (["stems", "--steps", "65"], ["65 is not in the range"]),
        (["stems", "stems/low/b.mid", "other/b.mid", "--timbre", "bright,voice.wav"], ["voice.wav is no audio file"]),
        (["stems/take.wav"], ["played by notes, not by audio"]),
        (["stems", "--instrument", "missing.ts"], ["asks for an instrument that is not there", "missing.ts"]),
        (["stems", "--workers", "-1"], ["-1 is not in the range"]),
        (["--jobs", "jobs.csv"], ["jobs.csv line 3: unknown timbre 'briht'"]),
        (["--jobs", "twice.csv"], ["twice.csv line 2 and twice.csv line 3 would both write"]),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(given: list[str], words: list[str]) -> None:
    write_songs()
    write_song("other/b.mid", 50)
    soundfile.write("stems/take.wav", np.full(1000, 0.1), 44100)
    Path("jobs.csv").write_text("source,timbre\nstems/a.mid,bright\nstems/low/b.mid,briht\n")
    Path("twice.csv").write_text("source,seed\nstems/a.mid,1\nstems/a.mid,2\n")
    result = batch(*given)
    assert_one_line(result, *words)
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    write_song("stems/a.mid", 60)
    Path("out").write_bytes(b"")
    assert_one_line(batch("stems"), "out", "Not a directory")


def test_an_output_folder_that_is_a_file_costs_that_render_only() -> None:
    write_songs()
    Path("out").mkdir()
    Path("out/low").write_bytes(b"")
    result = batch("stems")
    assert result.exit_code == 3
    assert "failed out/low/b.wav: " in result.stdout
    assert names() == ["a.wav", "low"]


def test_help_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from click.testing import CliRunner; from render.batch.cli import command\n"
        "assert '--jobs' in CliRunner().invoke(command, ['--help']).output\n"
        "heavy = {'torch', 'dawdreamer', 'pedalboard', 'numpy', 'mido', 'ray', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])

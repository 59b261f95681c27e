"""The commands as a user runs them: results, options, one-line errors, Ctrl-C and continuing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lmdb
import numpy as np
import pytest
from click.testing import CliRunner, Result

import after.cli
from after.cli import inspect_dataset, prepare_dataset
from tests.unit.data.audio_folder import save, save_set, sine

AFTER = [sys.executable, "-c", "from after.cli import main; main()"]


def prepare(*arguments: str) -> Result:
    return CliRunner().invoke(prepare_dataset.command, [*arguments, "--workers", "0"])


def dump(path: str) -> dict[bytes, bytes]:
    with lmdb.open(path, map_size=1 << 32, readonly=True) as environment, environment.begin() as transaction:
        return dict(transaction.cursor())


def test_it_reports_and_inspect_shows_the_same() -> None:
    save_set("set", {"piano/a.wav": 2.0, "flute/b.wav": 2.0})
    Path("set/bad.wav").write_bytes(b"?")
    result = prepare("set", "--out", "store", "--license", "CC0-1.0", "--chunk-seconds", "0.5")
    assert result.exit_code == prepare_dataset.INCOMPLETE == 3, result.output
    assert "3 files: 2 stored, 0 there already, 1 skipped" in result.output
    assert "skipped set/bad.wav: unreadable" in result.output
    assert "audio s per CPU s" in result.output
    shown = CliRunner().invoke(inspect_dataset.command, ["store"])
    assert shown.exit_code == 0, shown.output
    assert "chunks of 22528 samples" in shown.output
    assert "1 skipped" in shown.output
    manifest = json.loads(CliRunner().invoke(inspect_dataset.command, ["store", "--json"]).output)
    assert manifest["skipped"][0]["source"] == "set/bad.wav"
    assert "set/bad.wav" in CliRunner().invoke(inspect_dataset.command, ["store", "--problems"]).output


def test_a_dry_run_writes_nothing() -> None:
    save_set("set", {"piano/a.wav": 2.0, "flute/b.wav": 2.0})
    result = prepare("set", "--out", "store", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "2 audio files, 0 with MIDI; 2 new or changed" in result.output
    assert not Path("store").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere", "--out", "store"],
        ["set"],
        ["--out", "store"],
        *(
            ["set", "--out", "store", *options.split()]
            for options in (
                "--group-by (",
                "--sample-rate many",
                "--chunk-seconds nan",
                "--chunk-seconds inf",
                "--chunk-seconds 1e9",
                "--min-seconds nan",
                "--min-seconds inf",
                "--silence-db=-inf",
                "--silent-share nan",
                "--validation nan",
                "--copy-tempo nan",
                "--copy-semitones 20",
                "--voicing nan",
                "--feature chroma",
                "--parser nobody",
                "--update nothing",
                "--update pitch",
                "--feature pitch --update loudness",
                "--codec nowhere",
                "--codec set/a.wav",
                "--feature latents --sample-rate 48000",
                "--include *.mp3",
            )
        ),
    ],
)
def test_errors_are_one_line_and_come_before_any_work(arguments: list[str]) -> None:
    save_set("set", {"a.wav": 1.0})
    result = CliRunner().invoke(after.cli.group, ["prepare_dataset", *arguments])
    assert result.exit_code == 2, result.output
    assert result.output.startswith("error: ")
    assert result.output.count("\n") == 1
    assert not Path("store").exists()


def start(out: str) -> subprocess.Popen[bytes]:
    command = [*AFTER, "prepare_dataset", "set", "--out", out, "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def finish(out: str) -> tuple[bytes, bytes]:
    process = start(out)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == prepare_dataset.INCOMPLETE, errors.decode()  # one file is bad
    return output, errors


def num_stored(out: str) -> int:
    try:
        return sum(key.startswith(b"source/") for key in dump(out))
    except lmdb.Error:
        return 0


def wait_until_some_are_stored(process: subprocess.Popen[bytes], out: str) -> None:
    deadline_s = time.monotonic() + 30
    while process.poll() is None and num_stored(out) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.01)


def make_set() -> None:
    rng = np.random.default_rng(0)
    for index in range(24):
        save(f"set/{'ab'[index % 2]}/{index}.wav", 0.1 * rng.standard_normal((400_000, 2)), 48_000)
    Path("set/bad.wav").write_bytes(b"?")


def group_is_gone(group: int) -> bool:
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_run_continues_to_the_same_store(number: signal.Signals, exit_code: int) -> None:
    make_set()
    process = start("store")
    wait_until_some_are_stored(process, "store")
    # Ctrl-C reaches every process of the terminal's foreground group; a kill only the one.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == exit_code, errors.decode()
    assert b"Traceback" not in errors
    assert group_is_gone(process.pid)
    stored = num_stored("store")
    assert 2 <= stored < 24
    output, _ = finish("store")
    assert f"25 files: {24 - stored} stored, {stored} there already, 1 skipped" in output.decode()
    finish("whole")
    assert dump("store") == dump("whole")
    assert sorted(path.name for path in Path("store").iterdir()) == ["data.mdb", "lock.mdb", "prepare.lock"]


def test_two_runs_do_not_write_one_store() -> None:
    import fcntl

    save_set("set", {"piano/a.wav": 2.0})
    assert prepare("set", "--out", "store").exit_code == 0
    with Path("store/prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        save("set/piano/b.wav", sine(300, 2.0))
        result = prepare("set", "--out", "store")
    assert "another prepare_dataset" in str(result.exception)

"""What tests of batches share: songs, a light instrument, and `after batch` in this process or in one of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from after.cli import group
from after.midi import Note, write_midi

INSTRUMENT = "tiny.safetensors"


def write_song(path: Path | str, pitch: int, *, notes: int = 2) -> Path:
    """Write a song of one channel, half a second for each note."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(path, [Note(0.5 * i, pitch + i % 5, 90, 0.4) for i in range(notes)])
    return path


def write_songs() -> None:
    """Write three songs in a tree, the last one broken."""
    write_song("stems/a.mid", 60)
    write_song("stems/low/b.mid", 40, notes=3)
    Path("stems/low/bad.mid").write_bytes(b"MThd")


def arguments(*given: object, out: str = "out") -> list[str]:
    shared = ("--instrument", INSTRUMENT, "--timbre", "bright", "--tail-seconds", 0.2, "--out", out)
    return [str(word) for word in ("batch", *shared, *given)]


def batch(*given: object, out: str = "out", workers: int = 0) -> Result:
    """Run `after batch` in this process."""
    return after(*arguments("--workers", workers, *given, out=out))


def after(*words: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(group, [str(word) for word in words])


def start(*given: object, out: str = "out") -> subprocess.Popen[str]:
    """Start `after batch` as a shell would."""
    command = [sys.executable, "-m", "after", *arguments(*given, out=out)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )


def finish(process: "subprocess.Popen[str]", exit_code: int = 0) -> tuple[str, str]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == exit_code, errors
    assert "Traceback" not in errors
    return output, errors


def outputs(folder: str = "out") -> dict[str, bytes]:
    """Give the contents of all outputs by their place in the tree."""
    return {name: Path(folder, name).read_bytes() for name in names(folder)}


def names(folder: str = "out") -> list[str]:
    """Give the files in a folder that are not hidden."""
    paths = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if not path.parts[0].startswith("."))


def times(folder: str = "out") -> dict[str, int]:
    return {name: Path(folder, name).stat().st_mtime_ns for name in names(folder)}


def wait_for_outputs(process: "subprocess.Popen[str]", number: int, folder: str = "out") -> None:
    deadline_s = time.monotonic() + 60
    while process.poll() is None and len(names(folder)) < number and time.monotonic() < deadline_s:
        time.sleep(0.005)


def group_is_gone(process_group: int) -> bool:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        try:
            os.killpg(process_group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def assert_one_line(result: Result, *words: str, exit_code: int = 2) -> None:
    assert result.exit_code == exit_code, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


def rendered_alone(source: str, *options: object, out: str) -> bytes:
    """Give what `after render` makes of a file."""
    shared: Sequence[object] = ("--instrument", INSTRUMENT, "--tail-seconds", 0.2, "-o", out, "--force")
    result = after("render", source, *shared, *options)
    assert result.exit_code == 0, result.output
    return Path(out).read_bytes()

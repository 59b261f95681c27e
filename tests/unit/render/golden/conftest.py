from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from after.cli import group
from after.midi import Note, write_midi
from tests.additive_instrument import AdditiveInstrument

SCALE = (60, 62, 64, 65, 67, 69, 71, 72)
NOTES = tuple(Note(0.07 * k, SCALE[3 * k % 8], 60 + 5 * (k % 8), 0.06) for k in range(24))

CASES = """
[[case]]
name = "flute"
source = "melody.mid"
timbre = "flute"
tail_seconds = 0.5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A melody of 24 notes and a case that renders it."""
    write_midi(tmp_path / "melody.mid", list(NOTES))
    (tmp_path / "cases.toml").write_text(CASES)
    return tmp_path


@pytest.fixture
def golden(folder: Path) -> Callable[..., Result]:
    """Run `after golden` there, with additive instruments."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(group, ["golden", *map(str, arguments)], obj=lambda _: AdditiveInstrument())

    return run

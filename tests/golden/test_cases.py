"""The bundled instrument sounds as it was recorded; `after golden record tests/golden/cases.toml` records it anew."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from after.cli import group
from after.instrument import BUNDLED
from render.golden.settings import read_cases

CASES = Path(__file__).parent / "cases.toml"

pytestmark = [
    pytest.mark.golden,
    pytest.mark.skipif(not BUNDLED.is_file(), reason="no instrument is bundled"),
]


@pytest.mark.parametrize("name", [case.name for case in read_cases(CASES)])
def test_it_sounds_as_recorded(name: str) -> None:
    result = CliRunner().invoke(group, ["golden", "check", str(CASES), "--only", name])
    assert result.exit_code == 0, result.output


def test_the_recordings_stay_small() -> None:
    assert sum(path.stat().st_size for path in CASES.parent.rglob("*.flac")) < 400_000

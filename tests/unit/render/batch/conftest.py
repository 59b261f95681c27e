from pathlib import Path

import pytest

from tests.tiny_file import write_tiny_file
from tests.unit.render.batch.batches import INSTRUMENT


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_file(tmp_path_factory.mktemp("instrument") / INSTRUMENT)


@pytest.fixture(autouse=True)
def _instrument(tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / INSTRUMENT).symlink_to(tiny_file)

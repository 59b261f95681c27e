"""What several files of tests here share."""

from pathlib import Path

import pytest

from after.export.torchscript import InstrumentJob, export_instrument
from tests.tiny_instrument import TinyInstrument, make_tiny_instrument


@pytest.fixture(scope="session")
def tiny() -> TinyInstrument:
    """An instrument of a few thousand weights."""
    return make_tiny_instrument()


@pytest.fixture(scope="session")
def tiny_file(tiny: TinyInstrument, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file of weights."""
    path = tmp_path_factory.mktemp("instrument") / "tiny.safetensors"
    return tiny.write(path, attributes={"num_steps": 2}, description={"license": "CC0-1.0"})


@pytest.fixture(scope="session")
def tiny_export(tiny_file: Path) -> Path:
    """Its exported file."""
    path = tiny_file.with_suffix(".ts")
    export_instrument(InstrumentJob(source=tiny_file), path)
    return path

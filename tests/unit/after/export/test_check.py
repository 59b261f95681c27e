"""What an export is refused for."""

import pytest
import torch
from torch import Tensor

from after.errors import ExportError
from after.export.check import NUM_FRAMES, measure_stream

HOP = 4


class Echo:
    """A method that gives its input back, spoilt where asked."""

    def __init__(self, *, nan_at_block: int = -1, drift: float = 0.0) -> None:
        self.nan_at_block = nan_at_block
        self.drift = drift
        self.block = 0

    def set_reset(self, value: int) -> int:
        self.block = 0
        return 0

    def play(self, x: Tensor) -> Tensor:
        y = x + self.drift * self.block
        self.block += 1
        return y * float("nan") if self.block - 1 == self.nan_at_block else y


@pytest.fixture
def sound() -> Tensor:
    return torch.rand(1, 1, NUM_FRAMES * HOP, generator=torch.Generator().manual_seed(0))


def test_an_equal_stream_has_no_error(sound: Tensor) -> None:
    assert measure_stream(Echo(), "play", sound, sound) == 0.0


@pytest.mark.parametrize("block", [0, 1, NUM_FRAMES - 1])
def test_a_value_that_is_no_number_is_never_lost(sound: Tensor, block: int) -> None:
    with pytest.raises(ExportError, match="not finite"):
        measure_stream(Echo(nan_at_block=block), "play", sound, sound)


def test_a_stream_that_depends_on_its_blocks_is_refused(sound: Tensor) -> None:
    with pytest.raises(ExportError):
        measure_stream(Echo(drift=1e-3), "play", sound, sound)


def test_a_whole_that_is_no_number_is_refused(sound: Tensor) -> None:
    with pytest.raises(ExportError):
        measure_stream(Echo(), "play", sound, sound * float("nan"))

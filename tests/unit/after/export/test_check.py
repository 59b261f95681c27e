"""What an export is refused for."""

import pytest
import torch
from torch import Tensor

from after.codec.build import build_codec
from after.codec.streamer import CodecStreamer
from after.config import load_settings
from after.errors import ExportError
from after.export.check import NUM_FRAMES, check_round_trip, measure_stream
from after.settings import CodecTrainingSettings
from after.streaming.archive import compile_module

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


def test_the_latency_is_measured_and_a_false_one_is_refused() -> None:
    codec = build_codec(load_settings(CodecTrainingSettings, "codec_tiny", ("codec.analysis=bands",)).codec).eval()
    loaded = compile_module(CodecStreamer(codec))
    error, lag = check_round_trip(loaded, codec)
    assert (error < 1e-5, lag) == (True, 512)
    codec.latency_samples = 500
    with pytest.raises(ExportError, match="forward lags by 512 samples, but 500 are declared"):
        check_round_trip(loaded, codec)

import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.export.operators import unsupported_operators
from after.streaming.attention import LocalAttention
from after.streaming.combine import Delay, Parallel, Serial
from after.streaming.contract import Framewise, Streaming
from after.streaming.conv import CausalConv1d, CausalConvTranspose1d, CausalDepthwiseConv1d
from after.streaming.convnext import ConvNextBlock
from after.streaming.pqmf import PqmfAnalysis, PqmfSynthesis
from after.streaming.spectral import Frames, OverlapAdd


class Interpolate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0)


class ShortTimeFourier(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stft(x, 16, return_complex=True).abs()


class DefaultArgument(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.aten.stft(x, 16, None, None, None, False, True, True, None)


class LaterArgument(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.aten.stft(x, 16, None, None, None, False, True, True, False)


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Interpolate()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Exported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.export
    def stretch(self, x: Tensor) -> Tensor:
        if x.size(0) > 1:
            return F.interpolate(x, scale_factor=2.0)
        return x


class Plain(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:, 1:] += torch.fft.irfft(torch.fft.rfft(x))[:, 1:]
        return torch.ops.aten.upsample_nearest1d(y[:, None], [8]) + torch.randn(8)


class Owner(nn.Module):
    def __init__(self, inner: Streaming) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.inner.step(x, self.inner.init_state(x.size(0)))
        return y


def kit() -> list[Streaming]:
    window = torch.hann_window(16)
    return [
        CausalConv1d(3, 4, kernel_size=3, stride=2, dilation=2),
        CausalDepthwiseConv1d(3, kernel_size=3, dilation=2),
        CausalConvTranspose1d(3, 4, stride=2),
        ConvNextBlock(8, kernel_size=3, expansion=2, scale=0.1),
        LocalAttention(8, num_heads=2, window=4),
        Framewise(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU())),
        Delay(3, 2),
        Serial([CausalConv1d(3, 4, kernel_size=2), Delay(4, 1)]),
        Parallel(
            [CausalConv1d(3, 4, kernel_size=2), Serial([CausalConv1d(3, 4, kernel_size=2), Delay(4, 1)])], out_width=4
        ),
        Frames(window, hop=4),
        OverlapAdd(window, hop=4),
        PqmfAnalysis(4),
        PqmfSynthesis(4),
    ]


@pytest.mark.parametrize("layer", kit(), ids=lambda layer: type(layer).__name__)
def test_every_layer_of_the_kit_loads_on_torch_2_5(layer):
    assert unsupported_operators(torch.jit.script(Owner(copy.deepcopy(layer)))) == []


def test_fft_slices_and_aten_upsampling_are_fine():
    assert unsupported_operators(torch.jit.script(Plain())) == []


def test_interpolate_is_flagged_for_its_dead_branch():
    problems = unsupported_operators(torch.jit.script(Interpolate()))
    assert any("_upsample_lanczos2d_aa" in problem and "method forward" in problem for problem in problems)


def test_stft_is_flagged_for_an_argument_that_is_no_constant():
    (problem,) = unsupported_operators(torch.jit.script(ShortTimeFourier()))
    assert "aten::stft" in problem
    assert "align_to_window" in problem


def test_methods_of_submodules_and_exported_methods_are_checked():
    nested = unsupported_operators(torch.jit.script(Nested()))
    exported = unsupported_operators(torch.jit.script(Exported()))
    assert "method inner.forward" in nested[0]
    assert "method stretch" in exported[0]


@pytest.mark.skipif(
    "align_to_window" not in str(torch.ops.aten.stft.default._schema),
    reason="this torch's stft has the arguments of 2.5",
)
def test_a_later_argument_left_at_its_default_is_fine_and_set_is_not():
    assert unsupported_operators(torch.jit.script(DefaultArgument())) == []
    (problem,) = unsupported_operators(torch.jit.script(LaterArgument()))
    assert "align_to_window" in problem


def test_a_reloaded_file_gives_the_same_answer():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(ShortTimeFourier()), buffer)
    buffer.seek(0)
    assert len(unsupported_operators(torch.jit.load(buffer))) == 1

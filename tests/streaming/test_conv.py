import pytest
import torch
from torch.nn import functional as F

from after.streaming.conv import CausalConv1d, CausalConvTranspose1d, CausalDepthwiseConv1d
from after.streaming.convnext import ConvNextBlock
from after.streaming.verify import verify_streaming

GRID = [
    (kernel_size, stride, dilation)
    for kernel_size in (1, 2, 3, 5)
    for stride in (1, 2, 3)
    for dilation in (1, 2, 4)
    if (kernel_size - 1) * dilation + 1 >= stride
]


@pytest.mark.parametrize(("kernel_size", "stride", "dilation"), GRID)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_conv_streams(kernel_size, stride, dilation, batch_size):
    layer = CausalConv1d(3, 4, kernel_size=kernel_size, stride=stride, dilation=dilation)
    report = verify_streaming(layer, 3, batch_size=batch_size, num_steps=100, script=batch_size == 1)
    assert report.latency == 0


@pytest.mark.parametrize(("kernel_size", "stride", "dilation"), GRID)
def test_conv_is_a_left_padded_conv1d(kernel_size, stride, dilation):
    layer = CausalConv1d(3, 4, kernel_size=kernel_size, stride=stride, dilation=dilation).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 13 * stride, 3, dtype=torch.float64)
    weight = layer.weight.reshape(4, kernel_size, 3).transpose(1, 2)
    padded = F.pad(x.transpose(1, 2), [(kernel_size - 1) * dilation + 1 - stride, 0])
    expected = F.conv1d(padded, weight, layer.bias, stride=stride, dilation=dilation).transpose(1, 2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_frames", [1, 65, 8193])
def test_conv_in_float32_at_awkward_lengths(num_frames):
    layer = CausalConv1d(5, 7, kernel_size=3, dilation=2)
    x = torch.randn(1, num_frames, 5)
    weight = layer.weight.reshape(7, 3, 5).transpose(1, 2)
    expected = F.conv1d(F.pad(x.transpose(1, 2), [4, 0]), weight, layer.bias, dilation=2).transpose(1, 2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-5)


def test_a_kernel_that_would_skip_input_is_refused():
    with pytest.raises(ValueError, match="a kernel spanning 3 frames skips input at stride 4"):
        CausalConv1d(1, 1, kernel_size=2, dilation=2, stride=4)


@pytest.mark.parametrize("kernel_size", [1, 2, 5, 7])
@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_depthwise_conv_streams(kernel_size, dilation, batch_size):
    layer = CausalDepthwiseConv1d(6, kernel_size=kernel_size, dilation=dilation)
    assert verify_streaming(layer, 6, batch_size=batch_size, num_steps=100).latency == 0


@pytest.mark.parametrize("num_frames", [1, 2, 65])
@pytest.mark.parametrize("kernel_size", [1, 2, 7])
@pytest.mark.parametrize("dilation", [1, 3])
def test_depthwise_conv_is_a_grouped_conv1d(num_frames, kernel_size, dilation):
    layer = CausalDepthwiseConv1d(6, kernel_size=kernel_size, dilation=dilation).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, num_frames, 6, dtype=torch.float64)
    padded = F.pad(x.transpose(1, 2), [(kernel_size - 1) * dilation, 0])
    expected = F.conv1d(padded, layer.weight.t()[:, None], layer.bias, dilation=dilation, groups=6).transpose(1, 2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("memory", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_transposed_conv_streams(stride, memory, batch_size):
    layer = CausalConvTranspose1d(3, 4, stride=stride, memory=memory)
    assert verify_streaming(layer, 3, batch_size=batch_size, num_steps=100).latency == 0


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("memory", [0, 1, 3])
@pytest.mark.parametrize("num_frames", [1, 9])
def test_transposed_conv_is_a_conv_transpose1d_without_its_tail(stride, memory, num_frames):
    layer = CausalConvTranspose1d(3, 4, stride=stride, memory=memory).double()
    x = torch.randn(2, num_frames, 3, dtype=torch.float64)
    # rows are [stride, out], columns [oldest first, in]; conv_transpose1d wants [in, out, newest first * stride]
    weight = layer.conv.weight.reshape(stride, 4, memory + 1, 3).flip(2).permute(3, 1, 2, 0).reshape(3, 4, -1)
    expected = F.conv_transpose1d(x.transpose(1, 2), weight, stride=stride)[:, :, : num_frames * stride]
    torch.testing.assert_close(layer(x), expected.transpose(1, 2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel_size", [1, 5])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_convnext_block_streams(kernel_size, batch_size):
    layer = ConvNextBlock(6, kernel_size=kernel_size, expansion=2, scale=0.5)
    assert verify_streaming(layer, 6, batch_size=batch_size, num_steps=100).latency == 0


@pytest.mark.parametrize(
    "layer",
    [
        CausalConv1d(4, 4, kernel_size=3, stride=2, dilation=2),
        CausalDepthwiseConv1d(4, kernel_size=3),
        CausalConvTranspose1d(4, 4, stride=2),
        ConvNextBlock(4, kernel_size=3, expansion=2, scale=0.5),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_float32_over_a_thousand_steps(layer):
    assert verify_streaming(layer, 4, tolerance=1e-5).max_error <= 1e-5

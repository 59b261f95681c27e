import math

import pytest
import torch
from torch import Tensor

from after.streaming.attention import LocalAttention
from after.streaming.verify import verify_streaming


def brute_force(layer: LocalAttention, x: Tensor) -> Tensor:
    """Attend query by query, head by head; keys and values before the start are zeros."""
    width, head_width = layer.width, layer.width // layer.num_heads
    projected = layer.project_in(x)
    q, k, v = projected[..., :width], projected[..., width : 2 * width], projected[..., 2 * width :]
    y = torch.zeros_like(x)
    for item in range(x.size(0)):
        for now in range(x.size(1)):
            for head in range(layer.num_heads):
                part = slice(head * head_width, (head + 1) * head_width)
                scores, values = [], []
                for age in range(layer.window):
                    then = now - age
                    key = k[item, then, part] if then >= 0 else torch.zeros(head_width, dtype=x.dtype)
                    value = v[item, then, part] if then >= 0 else torch.zeros(head_width, dtype=x.dtype)
                    bias = layer.bias[head, layer.window - 1 - age]
                    scores.append(q[item, now, part] @ key / math.sqrt(head_width) + bias)
                    values.append(value)
                weights = torch.stack(scores).softmax(0)
                y[item, now, part] = (weights[:, None] * torch.stack(values)).sum(0)
    return layer.project_out(y)


@pytest.mark.parametrize("window", [1, 2, 5, 16])
@pytest.mark.parametrize("num_frames", [1, 2, 9])
@torch.no_grad()
def test_attention_is_the_loop_over_queries(window, num_frames):
    layer = LocalAttention(6, num_heads=3, window=window).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, num_frames, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), brute_force(layer, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("window", [1, 2, 5, 16])
@pytest.mark.parametrize("num_heads", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_attention_streams(window, num_heads, batch_size):
    layer = LocalAttention(6, num_heads=num_heads, window=window)
    assert verify_streaming(layer, 6, batch_size=batch_size, num_steps=100).latency == 0


def test_attention_streams_in_float32_over_a_thousand_steps():
    verify_streaming(LocalAttention(8, num_heads=2, window=7), 8, tolerance=1e-5)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="width 6 is not a multiple of 4 heads"):
        LocalAttention(6, num_heads=4, window=2)

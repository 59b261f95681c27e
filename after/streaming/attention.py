"""Causal attention over a window of the recent past.

The history before the start is zeros, keys and values alike, as in a padded convolution: a fresh cache and the start of
a whole sequence then mean the same thing and no mask of valid entries has to travel with the state. Distances enter as
a learned bias per head (Raffel et al. 2020, section 2.1, without buckets), which does not depend on absolute time, so
a stream may run for ever.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.streaming.contract import Streaming, keep_last


class LocalAttention(Streaming):
    """Attend to the last `window` frames, the present one included.

    Args:
        width: features, a multiple of `num_heads`.
        num_heads: attention heads.
        window: frames seen, at least 1.

    Raises:
        ValueError: if `num_heads` does not divide `width`.
    """

    def __init__(self, width: int, *, num_heads: int, window: int) -> None:
        super().__init__(num_states=2)
        if width % num_heads:
            raise ValueError(f"width {width} is not a multiple of {num_heads} heads; change one of them")
        self.width = width
        self.num_heads = num_heads
        self.window = window
        self.scale = (width // num_heads) ** -0.5
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)
        # one bias per head and key, oldest key first; it starts as ALiBi's slopes (Press et al. 2022, section 3)
        slopes = torch.logspace(-1, -8, num_heads, base=2.0)
        age = torch.arange(window - 1, -1, -1, dtype=torch.float32)
        self.bias = nn.Parameter(-slopes[:, None] * age[None, :])

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the keys and values of the last window before the start: two tensors [B, window, width] of zeros."""
        shape = [batch_size, self.window, self.width]
        like = self.bias
        return [
            torch.zeros(shape, dtype=like.dtype, device=like.device),
            torch.zeros(shape, dtype=like.dtype, device=like.device),
        ]

    def _banded_bias(self, num_queries: int) -> Tensor:
        """Lay the bias out as [heads, T, window - 1 + T]; minus infinity outside the window."""
        if num_queries == 1:
            return self.bias[:, None, :]
        heads, window = self.bias.size(0), self.window
        padded = F.pad(self.bias, [0, num_queries], value=-float("inf"))  # [heads, window + T]
        # rows of length window + T laid end to end and re-cut one shorter: each row starts one key later
        band = padded[:, None, :].expand(heads, num_queries, window + num_queries).reshape(heads, -1)
        band = band[:, : num_queries * (window + num_queries - 1)]
        return band.reshape(heads, num_queries, window + num_queries - 1)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Attend for one block [B, T, width]."""
        batch_size, num_queries, _ = x.shape
        q, k, v = self.project_in(x).chunk(3, dim=2)
        # the oldest frame of the state has left the window
        k = torch.cat([state[0][:, 1:].to(k.dtype), k], dim=1)
        v = torch.cat([state[1][:, 1:].to(v.dtype), v], dim=1)
        heads = [batch_size, -1, self.num_heads, self.width // self.num_heads]
        q = (q * self.scale).reshape(heads).transpose(1, 2)
        k_heads = k.reshape(heads).transpose(1, 2)
        # spelt out: with a learned bias, scaled_dot_product_attention takes a path of twice the time in training
        scores = torch.matmul(q, k_heads.transpose(2, 3)) + self._banded_bias(num_queries).to(q.dtype)
        y = torch.matmul(torch.softmax(scores, dim=3).to(v.dtype), v.reshape(heads).transpose(1, 2))
        y = self.project_out(y.transpose(1, 2).reshape(batch_size, num_queries, self.width))
        if num_queries == 1:
            return y, [k, v]  # they hold one window already: nothing to copy
        return y, [keep_last(k, self.window), keep_last(v, self.window)]

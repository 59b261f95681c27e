"""Put streaming layers together: in series, beside a shortcut, in parallel; latencies are added up and evened out."""

from collections.abc import Sequence
from math import gcd, lcm

import torch
from torch import Tensor, nn

from after.streaming.contract import Streaming, keep_last


class Delay(Streaming):
    """Delay a sequence; in `forward` it does nothing, so it serves to line branches up in a stream."""

    like: Tensor

    def __init__(self, width: int, num_frames: int) -> None:
        super().__init__(latency=num_frames, num_states=1)
        self.width = width
        self.register_buffer("like", torch.zeros(1), persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give `latency` frames of zeros, [B, latency, width]."""
        return [torch.zeros(batch_size, self.latency, self.width, dtype=self.like.dtype, device=self.like.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Give the block as it was `latency` frames ago."""
        joined = torch.cat([state[0], x], dim=1)
        return joined[:, : x.size(1)], [keep_last(joined, self.latency)]

    def forward(self, x: Tensor) -> Tensor:
        """Give the sequence as it is."""
        return x


class Serial(Streaming):
    """Run layers one after the other.

    Block sizes, ratios and latencies are worked out from the parts.

    Raises:
        ValueError: if a layer's latency is no whole number of frames at the output; insert a `Delay` before it.
    """

    def __init__(self, layers: Sequence[Streaming]) -> None:
        up, down, block_size, latency = 1, 1, 1, 0
        for index, layer in enumerate(layers):
            scaled = latency * layer.up
            if scaled % layer.down:
                missing = -latency % (layer.down // gcd(layer.up, layer.down))
                raise ValueError(
                    f"layer {index} ({type(layer).__name__}) divides the frame rate by {layer.down}, but {latency} "
                    f"frames of latency come before it: insert Delay({missing}) in front"
                )
            latency = scaled // layer.down + layer.latency
            # the input block must give a whole number of this layer's blocks
            block_size = lcm(block_size, lcm(layer.block_size * down, up) // up)
            up, down = up * layer.up, down * layer.down
            up, down = up // gcd(up, down), down // gcd(up, down)
        sizes = [layer.num_states for layer in layers]
        super().__init__(block_size=block_size, up=up, down=down, latency=latency, num_states=sum(sizes))
        self.layers = nn.ModuleList(layers)
        self.sizes = sizes

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the states of all layers, one after the other."""
        state: list[Tensor] = []
        for layer in self.layers:
            state.extend(layer.init_state(batch_size))  # type: ignore[operator]
        return state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block through all layers."""
        next_state: list[Tensor] = []
        start = 0
        for index, layer in enumerate(self.layers):
            stop = start + self.sizes[index]
            x, part = layer.step(x, state[start:stop])  # type: ignore[operator]
            next_state.extend(part)
            start = stop
        return x, next_state

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole sequence through all layers."""
        for layer in self.layers:
            x = layer(x)
        return x


class Parallel(Streaming):
    """Add up the outputs of branches that share an input; the quicker ones are delayed to the slowest.

    Raises:
        ValueError: if the branches differ in ratio.
    """

    def __init__(self, branches: Sequence[Streaming], *, out_width: int) -> None:
        first = branches[0]
        if any(b.up * first.down != first.up * b.down for b in branches):
            raise ValueError(f"branches run at different ratios: {[(b.up, b.down) for b in branches]}; make them equal")
        latency = max(b.latency for b in branches)
        aligned = [b if b.latency == latency else Serial([b, Delay(out_width, latency - b.latency)]) for b in branches]
        sizes = [b.num_states for b in aligned]
        super().__init__(
            block_size=lcm(*(b.block_size for b in branches)),
            up=first.up,
            down=first.down,
            latency=latency,
            num_states=sum(sizes),
        )
        self.branches = nn.ModuleList(aligned)
        self.sizes = sizes

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the states of all branches, one after the other."""
        state: list[Tensor] = []
        for branch in self.branches:
            state.extend(branch.init_state(batch_size))  # type: ignore[operator]
        return state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block through every branch and add the results."""
        next_state: list[Tensor] = []
        outputs: list[Tensor] = []
        start = 0
        for index, branch in enumerate(self.branches):
            stop = start + self.sizes[index]
            y, part = branch.step(x, state[start:stop])  # type: ignore[operator]
            outputs.append(y)
            next_state.extend(part)
            start = stop
        return torch.stack(outputs).sum(dim=0), next_state

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole sequence through every branch and add the results."""
        outputs: list[Tensor] = []
        for branch in self.branches:
            outputs.append(branch(x))
        return torch.stack(outputs).sum(dim=0)

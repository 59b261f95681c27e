"""The two halves of a foreign codec as streaming layers: state taken in, given back, nothing left in the module.

Items of a batch are run one after the other, because the caches inside are often made for one stream.
"""

import torch
from torch import Tensor, nn

from after.codec.bottleneck import LatentNorm
from after.codec.foreign.boxed import Boxed
from after.streaming.contract import Streaming


class HeldTensor(nn.Module):
    """The initial value of one part of a stream's state."""

    initial: Tensor

    def __init__(self, initial: Tensor) -> None:
        super().__init__()
        self.register_buffer("initial", initial)

    def forward(self, batch_size: int) -> Tensor:
        """Give it for a batch, [B, ...]."""
        return self.initial.unsqueeze(0).repeat([batch_size] + [1] * self.initial.dim())


def _item(state: list[Tensor], item: int) -> list[Tensor]:
    """Copy the state of one item out of a batch's."""
    return [tensor[item].clone() for tensor in state]


def _batch(items: list[list[Tensor]], device: torch.device) -> list[Tensor]:
    """Copy the states of items into a batch's."""
    state: list[Tensor] = []
    for index in range(len(items[0])):
        state.append(torch.stack([item[index] for item in items]).to(device))
    return state


class ForeignEncoder(Streaming):
    """Encode [B, T, 1] to normalised latents [B, L, D], without lag behind the whole sequence.

    Args:
        boxed: the foreign module.
        norm: of the latents.
    """

    def __init__(self, boxed: Boxed, norm: LatentNorm) -> None:
        hop = boxed.sizes.hop_length
        super().__init__(block_size=hop, down=hop, num_states=len(boxed.encode_state))
        self.box = boxed.box
        self.norm = norm
        self.num_latents = boxed.sizes.num_latents
        self.held = nn.ModuleList([HeldTensor(value.initial) for value in boxed.encode_state])
        self._rest()

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state that the module was saved with, for each item."""
        state: list[Tensor] = []
        for held in self.held:
            state.append(held(batch_size))
        return state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Encode one block [B, T, 1]; where scales follow the means, only these count."""
        latents: list[Tensor] = []
        states: list[list[Tensor]] = []
        for item in range(x.size(0)):
            self.box.set_encode_state(_item(state, item))
            audio = x[item : item + 1].transpose(1, 2).clone(memory_format=torch.contiguous_format)
            latents.append(self.box.encode(audio)[:, : self.num_latents])
            states.append(self.box.get_encode_state())
        next_state = _batch(states, x.device)
        self._rest()
        y: Tensor = self.norm(torch.cat(latents).transpose(1, 2))
        return y, next_state

    def _rest(self) -> None:
        """Leave the module as it was saved."""
        rest: list[Tensor] = []
        for held in self.held:
            rest.append(held.initial)  # type: ignore[arg-type]
        self.box.set_encode_state(rest)


class ForeignDecoder(Streaming):
    """Decode normalised latents [B, L, D] to [B, T, 1]; a stream lags by the latency of encoder and decoder together.

    A noisy decoder is run frame by frame, and a count of the frames is the last part of its state.

    Args:
        boxed: the foreign module.
        norm: of the latents.
        latency_samples: measured; whole sequences come without it.
    """

    def __init__(self, boxed: Boxed, norm: LatentNorm, latency_samples: int) -> None:
        num_held = len(boxed.decode_state)
        super().__init__(up=boxed.sizes.hop_length, latency=latency_samples, num_states=num_held + int(boxed.is_noisy))
        self.box = boxed.box
        self.norm = norm
        self.num_held = num_held
        self.is_noisy = boxed.is_noisy
        self.held = nn.ModuleList([HeldTensor(value.initial) for value in boxed.decode_state])
        self._rest()

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state that the module was saved with, for each item."""
        state: list[Tensor] = []
        for held in self.held:
            state.append(held(batch_size))
        if self.is_noisy:
            state.append(torch.zeros(batch_size, dtype=torch.int64, device=self.norm.mean.device))
        return state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Decode one block [B, L, D]."""
        latents = (x * self.norm.std + self.norm.mean).transpose(1, 2)
        sounds: list[Tensor] = []
        states: list[list[Tensor]] = []
        for item in range(x.size(0)):
            part = _item(state, item)
            self.box.set_decode_state(part)
            own = latents[item : item + 1].clone(memory_format=torch.contiguous_format)
            if self.is_noisy:
                first = int(part[self.num_held])
                for frame in range(own.size(2)):
                    sounds.append(self.box.decode(own[:, :, frame : frame + 1].clone(), first + frame))
            else:
                sounds.append(self.box.decode(own))
            states.append(self.box.get_decode_state())
        next_state = _batch(states, x.device)
        if self.is_noisy:
            next_state.append(state[self.num_held] + x.size(1))
        self._rest()
        return torch.cat(sounds, dim=2).reshape(x.size(0), -1, 1), next_state

    def forward(self, x: Tensor) -> Tensor:
        """Decode a whole sequence without lag; what sounds after its end comes from its last frame, held."""
        num_samples, num_more = x.size(1) * self.up, (self.latency + self.up - 1) // self.up
        held = x[:, x.size(1) - 1 :].repeat(1, num_more, 1)
        y, _ = self.step(torch.cat([x, held], dim=1), self.init_state(x.size(0)))
        return y[:, self.latency : self.latency + num_samples]

    def _rest(self) -> None:
        """Leave the module as it was saved."""
        rest: list[Tensor] = []
        for held in self.held:
            rest.append(held.initial)  # type: ignore[arg-type]
        self.box.set_decode_state(rest)

"""A denoising network: a causal U-Net that streams frame by frame without latency.

Each level works at half the frame rate of the one above it. A low frame k sums up the frames 2k and 2k + 1 and so
exists from frame 2k + 1 on; frame n hears of the newest low frame there is, floor((n + 1) / 2) - 1. What it has to say
to the frames 2k + 1 and 2k + 2 is computed once, so the lower levels run at every second frame only:

    frame            0     1     2     3     4     5
    low frame          ┌ (0, 1)    ┌ (2, 3)    ┌ (4, 5)
    heard by           └> 1, 2     └> 3, 4     └> 5, 6         frame 0 hears zeros

Which frames make a pair is counted from the start of the stream, the same for all items of a batch; this count, the
position, is part of the state. Source of the shape: Ronneberger et al. 2015, arXiv 1505.04597, figure 1.
"""

from collections.abc import Sequence
from typing import Union

import torch
from torch import Tensor, nn

from after.diffusion.denoiser import Denoiser
from after.diffusion.unet_blocks import AttentionBlock, Blocks, ConvBlock


class Lowest(nn.Module):
    """The lowest level: blocks alone.

    Args:
        blocks: of this level.
        width: features.
    """

    def __init__(self, blocks: Blocks, width: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.width = width
        self.num_states = blocks.num_states

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state of the blocks."""
        return self.blocks.init_state(batch_size)

    def step(
        self, x: Tensor, structure: Tensor, modulation: Tensor, position: int, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Run one block; arguments as for `Level.step`."""
        return self.blocks.step(x + structure, modulation, state)


class Level(nn.Module):
    """A level with lower ones below it: blocks on the way down, the lower levels, blocks on the way up.

    Args:
        descent: blocks on the way down.
        ascent: blocks on the way up.
        below: the next lower level.
        width: features of this level, for noisy latents and for structure.
    """

    num_states: int

    def __init__(self, descent: Blocks, ascent: Blocks, below: Union["Level", Lowest], *, width: int) -> None:
        super().__init__()
        self.descent = descent
        self.ascent = ascent
        self.below = below
        self.width = width
        self.lower_x = nn.Linear(2 * width, below.width)
        self.lower_structure = nn.Linear(2 * width, below.width)
        self.raise_x = nn.Linear(below.width, 2 * width)
        self.num_descent = descent.num_states
        self.num_ascent = ascent.num_states
        self.num_states = descent.num_states + ascent.num_states + 2 + below.num_states

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the states of all blocks, the last frame [B, 1, 2 * width], what was heard from below, [B, 2, width]."""
        like = self.raise_x.weight
        state = self.descent.init_state(batch_size)
        state.extend(self.ascent.init_state(batch_size))
        state.append(torch.zeros(batch_size, 1, 2 * self.width, dtype=like.dtype, device=like.device))
        state.append(torch.zeros(batch_size, 2, self.width, dtype=like.dtype, device=like.device))
        state.extend(self.below.init_state(batch_size))
        return state

    def step(
        self, x: Tensor, structure: Tensor, modulation: Tensor, position: int, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Run one block.

        Args:
            x: [B, T, width], T at least 1.
            structure: [B, T, width].
            modulation: [B, 1 or T, 3 * widths of this and all lower levels].
            position: frames of this level before the block.
            state: from `init_state` or the previous call; not modified.

        Returns:
            y [B, T, width] and the next state.
        """
        own = modulation[:, :, : 3 * self.width]
        stop = self.num_descent + self.num_ascent
        x, next_state = self.descent.step(x + structure, own, state[: self.num_descent])
        frames = torch.cat([x, structure], dim=2)
        heard, below_state = self._hear(frames, modulation, position, state[stop:])
        y, part = self.ascent.step(x + heard, own, state[self.num_descent : stop])
        next_state.extend(part)
        next_state.extend(below_state)
        return y, next_state

    def _hear(
        self, frames: Tensor, modulation: Tensor, position: int, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Run the lower levels on the pairs that [B, T, 2 * width] completes; give what each frame hears from them."""
        num_frames, waiting = frames.size(1), position % 2
        joined = torch.cat([state[0].to(frames.dtype), frames], dim=1) if waiting == 1 else frames
        num_pairs = joined.size(1) // 2
        heard, lower_state = state[1].to(frames.dtype), state[2:]
        if num_pairs > 0:
            pairs = joined[:, : 2 * num_pairs].reshape(frames.size(0), num_pairs, 2, 2 * self.width)
            x, structure = pairs[..., : self.width].flatten(2), pairs[..., self.width :].flatten(2)
            lower = modulation[:, :, 3 * self.width :]
            # a pair is complete with its second frame, whose modulation it gets
            lower = lower if lower.size(1) == 1 else lower[:, 1 - waiting :: 2]
            y, lower_state = self.below.step(
                self.lower_x(x), self.lower_structure(structure), lower, position // 2, lower_state
            )
            said = self.raise_x(y).reshape(frames.size(0), 2 * num_pairs, self.width)
            heard = torch.cat([heard, said], dim=1)
        next_state = [
            frames[:, num_frames - 1 :].clone(memory_format=torch.contiguous_format),
            heard[:, heard.size(1) - 2 :].clone(memory_format=torch.contiguous_format),
        ]
        next_state.extend(lower_state)
        # what was heard before a block begins with what its first frame hears if that is the second of a pair's hearers
        return heard[:, 1 + waiting : 1 + waiting + num_frames], next_state


def build_levels(
    widths: Sequence[int],
    blocks: Sequence[int],
    *,
    kernel_size: int,
    expansion: int,
    attention_window: int,
    num_heads: int,
) -> Level | Lowest:
    """Build the levels from the highest on, each with the lower ones inside."""

    def convolutions() -> list[ConvBlock]:
        return [ConvBlock(widths[0], kernel_size=kernel_size, expansion=expansion) for _ in range(blocks[0])]

    if len(widths) == 1:
        chain: list[ConvBlock | AttentionBlock] = []
        for block in convolutions():
            chain.append(block)
            if attention_window > 0:
                chain.append(AttentionBlock(widths[0], num_heads=num_heads, window=attention_window))
        return Lowest(Blocks(chain), widths[0])
    below = build_levels(
        widths[1:],
        blocks[1:],
        kernel_size=kernel_size,
        expansion=expansion,
        attention_window=attention_window,
        num_heads=num_heads,
    )
    return Level(Blocks(convolutions()), Blocks(convolutions()), below, width=widths[0])


class UNetDenoiser(Denoiser):
    """Convolutions at several frame rates, which see far back at little cost.

    Structure is added at every level: what the level above has of it, two frames in one.

    Args:
        num_latents: D.
        timbre_size: E.
        widths: features per level, the latents' frame rate first; the structure has as many as the first.
        blocks: residual blocks per level; all but the lowest level have as many again on the way up.
        kernel_size: taps of the convolutions.
        expansion: inner features of the blocks' products as a multiple of the width.
        attention_window: frames that an attention block beside each one of the lowest level sees; 0 for none.
        num_heads: of those.
    """

    def __init__(
        self,
        num_latents: int,
        timbre_size: int,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        kernel_size: int,
        expansion: int,
        attention_window: int = 0,
        num_heads: int = 4,
    ) -> None:
        levels = build_levels(
            widths,
            blocks,
            kernel_size=kernel_size,
            expansion=expansion,
            attention_window=attention_window,
            num_heads=num_heads,
        )
        super().__init__(
            timbre_size, width=widths[0], num_modulations=3 * sum(widths), num_states=1 + levels.num_states
        )
        self.levels = levels
        self.period = 2 ** (len(widths) - 1)
        self.project_in = nn.Linear(num_latents, widths[0])
        self.norm = nn.LayerNorm(widths[0])
        self.project_out = nn.Linear(widths[0], num_latents)
        # a fresh network predicts zero
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the position [B, 1] int64, counted up to `period`, and the state of the levels."""
        state = [torch.zeros(batch_size, 1, dtype=torch.int64, device=self.project_out.weight.device)]
        state.extend(self.levels.init_state(batch_size))
        return state

    def advance(
        self, x_t: Tensor, modulation: Tensor, structure: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Run one block of frames; the items share their position."""
        return self._advance_at(int(state[0][0, 0].item()), x_t, modulation, structure, state)

    def forward(self, x_t: Tensor, t: Tensor, structure: Tensor, timbre: Tensor) -> Tensor:
        """Predict for whole excerpts; the position is known, so that a GPU need not be asked for it."""
        modulation, state = self.modulation(t, timbre), self.init_state(x_t.size(0))
        return self._advance_at(0, x_t, modulation, structure, state)[0]

    def _advance_at(
        self, position: int, x_t: Tensor, modulation: Tensor, structure: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        x, part = self.levels.step(self.project_in(x_t), structure, modulation, position, state[1:])
        next_state = [torch.full_like(state[0], (position + x_t.size(1)) % self.period)]
        next_state.extend(part)
        return self.project_out(self.norm(x)), next_state

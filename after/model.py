"""The generative model: structure and timbre to latents, as a whole or in a stream, with guidance."""

import torch
from torch import Tensor, nn

from after.conditioning.roll import ROLL_CHANNELS
from after.conditioning.structure import build_structure_encoder
from after.conditioning.timbre import TimbreEncoder
from after.diffusion.transformer import TransformerDenoiser
from after.settings import ModelSettings
from after.streaming.combine import Serial
from after.streaming.noise import frame_noise


def branches_needed(guidance_structure: float, guidance_timbre: float) -> list[int]:
    """Tell which branches the guidance strengths need, as bits: 1 sees the structure, 2 the timbre, 3 both, 0 none.

    flow = f(0) + g_structure (f(structure) - f(0)) + g_timbre (f(both) - f(structure)), so terms with weight zero
    drop out: one branch when both strengths are 1, two when they are equal or the structure's is 1, else three.
    Source: Ho and Salimans 2022, arXiv 2207.12598, equation 6, nested as in Brooks et al. 2023, arXiv 2211.09800,
    equation 3.
    """
    needed = [3]
    if guidance_structure != guidance_timbre:
        needed.append(1)
    if guidance_structure != 1.0:
        needed.append(0)
    return needed


class Model(nn.Module):
    """Conditional flow model on codec latents.

    Everything inside is channel-last, [B, L, C].

    Args:
        structure_encoder: structure frames to features of the denoiser's width.
        timbre_encoder: latents of an excerpt to a timbre.
        denoiser: predicts the flow.
        num_latents: D.
        timbre_size: E.
        width: of the denoiser.
    """

    def __init__(
        self,
        structure_encoder: Serial,
        timbre_encoder: TimbreEncoder,
        denoiser: TransformerDenoiser,
        *,
        num_latents: int,
        timbre_size: int,
        width: int,
    ) -> None:
        super().__init__()
        self.num_latents = num_latents
        self.timbre_size = timbre_size
        self.structure_encoder = structure_encoder
        self.timbre_encoder = timbre_encoder
        self.denoiser = denoiser
        self.null_structure = nn.Parameter(torch.zeros(width))
        self.null_timbre = nn.Parameter(torch.zeros(timbre_size))
        self.num_structure_states = structure_encoder.num_states
        self.num_denoiser_states = denoiser.num_states

    @torch.jit.ignore
    def predict(
        self, x_t: Tensor, t: Tensor, structure: Tensor, timbre: Tensor, keep_structure: Tensor, keep_timbre: Tensor
    ) -> Tensor:
        """Predict the flow of whole excerpts, with conditions dropped per item; what training calls.

        Args:
            x_t: [B, L, D].
            t: [B] in 0..1.
            structure: [B, L, S].
            timbre: [B, E].
            keep_structure: [B] bool; False puts the learned null in its place.
            keep_timbre: [B] bool.

        Returns:
            flow [B, L, D].
        """
        features = self.structure_encoder(structure)
        features = torch.where(keep_structure[:, None, None], features, self.null_structure.to(features.dtype))
        timbre = torch.where(keep_timbre[:, None], timbre, self.null_timbre)
        flow, _ = self.denoiser.step(x_t, t, features, timbre[:, None], self.denoiser.init_state(x_t.size(0)))
        return flow

    def init_state(self, batch_size: int, num_steps: int, num_branches: int) -> list[Tensor]:
        """Give the state of a stream that has played nothing.

        Args:
            batch_size: B.
            num_steps: sampler steps.
            num_branches: as many as `branches_needed` names.
        """
        state = self.structure_encoder.init_state(batch_size)
        for _ in range(num_steps):
            state.extend(self.denoiser.init_state(num_branches * batch_size))
        return state

    def step(
        self,
        structure: Tensor,
        timbre: Tensor,
        noise: Tensor,
        num_steps: int,
        guidance_structure: float,
        guidance_timbre: float,
        state: list[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """Turn noise into the latents of one block, by Euler steps along the flow.

        Args:
            structure: [B, L, S].
            timbre: [B, 1 or L, E].
            noise: [B, L, D], standard normal (times a temperature).
            num_steps: sampler steps; the state must have been made for as many.
            guidance_structure: 1 follows the model, more exaggerates the structure, 0 ignores it.
            guidance_timbre: likewise.
            state: from `init_state` or the previous call; not modified.

        Returns:
            latents [B, L, D] and the next state.
        """
        features, next_state = self.structure_encoder.step(structure, state[: self.num_structure_states])
        branches = branches_needed(guidance_structure, guidance_timbre)
        seen, heard = self._conditions(features, timbre, branches)
        times = torch.arange(num_steps, device=noise.device, dtype=noise.dtype) / num_steps
        modulations = self.denoiser.modulations(times, heard)
        position = self.num_structure_states
        x = noise
        for k in range(num_steps):
            part = state[position : position + self.num_denoiser_states]
            position += self.num_denoiser_states
            x_t = x if len(branches) == 1 else x.repeat(len(branches), 1, 1)
            flow, part = self.denoiser.advance(x_t, modulations[k], seen, part)
            next_state.extend(part)
            if len(branches) > 1:
                flow = self._guide(flow, branches, guidance_structure, guidance_timbre)
            x = x + flow / num_steps
        return x, next_state

    def _conditions(self, features: Tensor, timbre: Tensor, branches: list[int]) -> tuple[Tensor, Tensor]:
        """Lay the branches' conditions out along the batch, so that the weights are read once for all of them."""
        if len(branches) == 1:
            return features, timbre
        seen: list[Tensor] = []
        heard: list[Tensor] = []
        for branch in branches:
            seen.append(features if branch & 1 else self.null_structure.expand_as(features))
            heard.append(timbre if branch & 2 else self.null_timbre.expand_as(timbre))
        return torch.cat(seen), torch.cat(heard)

    def _guide(self, flow: Tensor, branches: list[int], guidance_structure: float, guidance_timbre: float) -> Tensor:
        """Weigh and add up the branches' flows, [branches * B, L, D] to [B, L, D]."""
        parts = flow.chunk(len(branches))
        total = torch.zeros_like(parts[0])
        for index, branch in enumerate(branches):
            total = total + _branch_weight(branch, guidance_structure, guidance_timbre) * parts[index]
        return total

    @torch.jit.ignore
    @torch.no_grad()
    def generate(
        self,
        structure: Tensor,
        timbre: Tensor,
        *,
        seeds: Tensor,
        num_steps: int = 4,
        guidance_structure: float = 1.0,
        guidance_timbre: float = 1.0,
        temperature: float = 1.0,
        block_frames: int = 256,
    ) -> Tensor:
        """Generate the latents of whole sequences; the result does not depend on `block_frames`.

        Args:
            structure: [B, L, S].
            timbre: [B, E] or [B, L, E].
            seeds: [B] int64, one per item; an item sounds the same in any batch.
            num_steps: sampler steps.
            guidance_structure: see `step`.
            guidance_timbre: see `step`.
            temperature: standard deviation of the noise.
            block_frames: frames computed at a time.

        Returns:
            latents [B, L, D].
        """
        timbre = timbre[:, None] if timbre.dim() == 2 else timbre
        count = len(branches_needed(guidance_structure, guidance_timbre))
        state = self.init_state(structure.size(0), num_steps, count)
        outputs: list[Tensor] = []
        for start in range(0, structure.size(1), block_frames):
            block = structure[:, start : start + block_frames]
            here = timbre if timbre.size(1) == 1 else timbre[:, start : start + block_frames]
            first = torch.tensor(start, device=structure.device)
            noise = temperature * frame_noise(seeds, first, block.size(1), self.num_latents)
            latents, state = self.step(block, here, noise, num_steps, guidance_structure, guidance_timbre, state)
            outputs.append(latents)
        return torch.cat(outputs, dim=1)


def _branch_weight(branch: int, guidance_structure: float, guidance_timbre: float) -> float:
    """Give the weight of a branch's flow in the sum that `branches_needed` explains."""
    if branch == 3:
        return guidance_timbre
    if branch == 1:
        return guidance_structure - guidance_timbre
    return 1.0 - guidance_structure


def build_model(settings: ModelSettings, num_latents: int) -> Model:
    """Build a model with fresh weights.

    Args:
        settings: of the parts.
        num_latents: D of the codec.
    """
    denoiser, timbre, structure = settings.denoiser, settings.timbre, settings.structure
    return Model(
        build_structure_encoder(
            ROLL_CHANNELS, denoiser.width, num_blocks=structure.num_blocks, kernel_size=structure.kernel_size
        ),
        TimbreEncoder(
            num_latents,
            width=timbre.width,
            num_blocks=timbre.num_blocks,
            kernel_size=timbre.kernel_size,
            timbre_size=timbre.size,
        ),
        TransformerDenoiser(
            num_latents,
            timbre.size,
            width=denoiser.width,
            num_layers=denoiser.num_layers,
            num_heads=denoiser.num_heads,
            window=denoiser.window,
            expansion=denoiser.expansion,
        ),
        num_latents=num_latents,
        timbre_size=timbre.size,
        width=denoiser.width,
    )

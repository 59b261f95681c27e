"""The generative model: structure and timbre to latents, as a whole or in a stream, with guidance."""

import torch
from torch import Tensor, nn

from after.conditioning.learned import LearnedStructure, build_learned_structure
from after.conditioning.pitch_loudness import PITCH_LOUDNESS_CHANNELS
from after.conditioning.roll import ROLL_CHANNELS
from after.conditioning.structure import build_structure_encoder
from after.conditioning.timbre import TimbreEncoder
from after.diffusion.build import build_denoiser, build_sampler
from after.diffusion.denoiser import Denoiser
from after.diffusion.guidance import branch_weight, branches_needed
from after.diffusion.objective import per_item
from after.diffusion.samplers import Sampler
from after.settings import ModelSettings, StructureSettings
from after.streaming.combine import Serial
from after.streaming.noise import frame_noise


class Model(nn.Module):
    """Conditional diffusion model on codec latents.

    Everything inside is channel-last, [B, L, C].

    Args:
        structure_encoder: structure frames to features as the denoiser takes them.
        timbre_encoder: latents of an excerpt to a timbre.
        denoiser: predicts what the sampler's objective says.
        sampler: turns noise into latents; has the objective.
        num_latents: D.
        timbre_size: E.
        width: of the structure features.
        code: learns structure from latents; None where it is played.
    """

    def __init__(
        self,
        structure_encoder: Serial,
        timbre_encoder: TimbreEncoder,
        denoiser: Denoiser,
        sampler: Sampler,
        *,
        num_latents: int,
        timbre_size: int,
        width: int,
        code: LearnedStructure | None = None,
    ) -> None:
        super().__init__()
        self.code = code
        self.num_latents = num_latents
        self.timbre_size = timbre_size
        self.structure_encoder = structure_encoder
        self.timbre_encoder = timbre_encoder
        self.denoiser = denoiser
        self.sampler = sampler
        self.null_structure = nn.Parameter(torch.zeros(width))
        self.null_timbre = nn.Parameter(torch.zeros(timbre_size))
        self.num_structure_states = structure_encoder.num_states
        self.num_denoiser_states = denoiser.num_states

    @torch.jit.ignore
    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        structure: Tensor,
        structure_noise: Tensor,
        timbre_latents: Tensor,
        timbre_noise: Tensor,
        keep_structure: Tensor,
        keep_timbre: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Do what `predict` does with what a store holds; for training.

        Args:
            x_t: [B, L, D], on the objective's path.
            t: [B], where on it.
            structure: [B, L, S], or the latents [B, L, D] from which structure is learned.
            structure_noise: [B, L, S], standard normal, for learned structure.
            timbre_latents: excerpts [B, L', D].
            timbre_noise: [B, E], added to their timbres.
            keep_structure: [B] bool.
            keep_timbre: [B] bool.

        Returns:
            prediction [B, L, D], and the structure [B, L, S] and timbre [B, E] behind it, without noise.
        """
        timbre = self.timbre_encoder(timbre_latents)
        seen = structure
        if self.code is not None:
            structure = self.code(structure)
            seen = self.code.with_noise(structure, structure_noise)
        prediction: Tensor = self.predict(x_t, t, seen, timbre + timbre_noise, keep_structure, keep_timbre)
        return prediction, structure, timbre

    @torch.jit.ignore
    def predict(
        self, x_t: Tensor, t: Tensor, structure: Tensor, timbre: Tensor, keep_structure: Tensor, keep_timbre: Tensor
    ) -> Tensor:
        """Predict for whole excerpts, with conditions dropped per item.

        Args:
            x_t: [B, L, D], on the objective's path.
            t: [B], where on it.
            structure: [B, L, S].
            timbre: [B, E].
            keep_structure: [B] bool; False puts the learned null in its place.
            keep_timbre: [B] bool.

        Returns:
            prediction [B, L, D], to be compared with the objective's target.
        """
        objective = self.sampler.objective
        features = self.structure_encoder(structure)
        features = torch.where(keep_structure[:, None, None], features, self.null_structure.to(features.dtype))
        timbre = torch.where(keep_timbre[:, None], timbre, self.null_timbre)
        prediction: Tensor = self.denoiser(
            per_item(objective.scale(t), x_t) * x_t, objective.network_time(t).to(x_t.dtype), features, timbre[:, None]
        )
        return prediction

    def init_state(self, batch_size: int, num_steps: int, num_branches: int) -> list[Tensor]:
        """Give the state of a stream that has played nothing.

        Args:
            batch_size: B.
            num_steps: sampler steps.
            num_branches: as many as `branches_needed` names.
        """
        state = self.structure_encoder.init_state(batch_size)
        for _ in range(self.sampler.num_evaluations(num_steps)):
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
        """Turn noise into the latents of one block.

        Args:
            structure: [B, L, S].
            timbre: [B, 1 or L, E].
            noise: [B, L, D], standard normal (times a temperature).
            num_steps: sampler steps; the state must have been made for as many, and for the same kind of sampler.
            guidance_structure: 1 follows the model, more exaggerates the structure; with both at 0 neither is heard.
            guidance_timbre: likewise.
            state: from `init_state` or the previous call; not modified.

        Returns:
            latents [B, L, D] and the next state.
        """
        features, next_state = self.structure_encoder.step(structure, state[: self.num_structure_states])
        branches = branches_needed(guidance_structure, guidance_timbre)
        seen, heard = self._conditions(features, timbre, branches)
        times = self.sampler.times(num_steps, noise.device)
        evaluated = self.sampler.evaluated_times(times)
        scales = self.sampler.objective.scale(evaluated)
        network_times = self.sampler.objective.network_time(evaluated).to(noise.dtype)
        modulations = self.denoiser.modulations(network_times, heard)
        position = self.num_structure_states
        x, held = self.sampler.begin(noise, times), state[:0]
        for k in range(evaluated.size(0)):
            part = state[position : position + self.num_denoiser_states]
            position += self.num_denoiser_states
            x_t = scales[k] * x
            x_t = x_t if len(branches) == 1 else x_t.repeat(len(branches), 1, 1)
            prediction, part = self.denoiser.advance(x_t, modulations[k], seen, part)
            next_state.extend(part)
            if len(branches) > 1:
                prediction = self._guide(prediction, branches, guidance_structure, guidance_timbre)
            x, held = self.sampler.update(k, x, prediction, times, held)
        return x, next_state

    def _conditions(self, features: Tensor, timbre: Tensor, branches: list[int]) -> tuple[Tensor, Tensor]:
        """Lay the branches' conditions out along the batch, so that the weights are read once for all of them."""
        if branches == [3]:
            return features, timbre
        seen: list[Tensor] = []
        heard: list[Tensor] = []
        for branch in branches:
            seen.append(features if branch & 1 else self.null_structure.expand_as(features))
            heard.append(timbre if branch & 2 else self.null_timbre.expand_as(timbre))
        return torch.cat(seen), torch.cat(heard)

    def _guide(
        self, prediction: Tensor, branches: list[int], guidance_structure: float, guidance_timbre: float
    ) -> Tensor:
        """Weigh and add up the branches' predictions, [branches * B, L, D] to [B, L, D]."""
        parts = prediction.chunk(len(branches))
        total = torch.zeros_like(parts[0])
        for index, branch in enumerate(branches):
            total = total + branch_weight(branch, guidance_structure, guidance_timbre) * parts[index]
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
        first_frame: int = 0,
    ) -> Tensor:
        """Generate the latents of whole sequences; the result does not depend on `block_frames`.

        The noise depends on seed and frame alone. A sequence taken up at a later frame therefore comes to equal the
        whole one as soon as the network no longer sees what went before (for a U-Net, if that frame is a multiple of
        what its lowest level counts in).

        Args:
            structure: [B, L, S].
            timbre: [B, E] or [B, L, E].
            seeds: [B] int64, one per item; an item sounds the same in any batch.
            num_steps: sampler steps.
            guidance_structure: see `step`.
            guidance_timbre: see `step`.
            temperature: standard deviation of the noise.
            block_frames: frames computed at a time.
            first_frame: where in the stream the sequence begins.

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
            first = torch.tensor(first_frame + start, device=structure.device)
            noise = temperature * frame_noise(seeds, first, block.size(1), self.num_latents)
            latents, state = self.step(block, here, noise, num_steps, guidance_structure, guidance_timbre, state)
            outputs.append(latents)
        return torch.cat(outputs, dim=1)


def build_model(settings: ModelSettings, num_latents: int) -> Model:
    """Build a model with fresh weights.

    Args:
        settings: of the parts.
        num_latents: D of the codec.
    """
    timbre, structure, width = settings.timbre, settings.structure, settings.denoiser.structure_width
    return Model(
        build_structure_encoder(
            structure_channels(structure), width, num_blocks=structure.num_blocks, kernel_size=structure.kernel_size
        ),
        TimbreEncoder(
            num_latents,
            width=timbre.width,
            num_blocks=timbre.num_blocks,
            kernel_size=timbre.kernel_size,
            timbre_size=timbre.size,
        ),
        build_denoiser(settings.denoiser, num_latents, timbre.size),
        build_sampler(settings.objective, settings.sampler),
        num_latents=num_latents,
        timbre_size=timbre.size,
        width=width,
        code=_build_code(structure, num_latents),
    )


def structure_channels(settings: StructureSettings) -> int:
    """Give the channels S of the structure that a model is played with."""
    played = {"midi": ROLL_CHANNELS, "pitch_loudness": PITCH_LOUDNESS_CHANNELS, "learned": settings.code_size}
    return played[settings.kind]


def _build_code(settings: StructureSettings, num_latents: int) -> LearnedStructure | None:
    """Build the encoder that learns structure, where it is learned."""
    if settings.kind != "learned":
        return None
    return build_learned_structure(
        num_latents,
        settings.code_size,
        width=settings.code_width,
        num_blocks=settings.code_blocks,
        kernel_size=settings.kernel_size,
        noise_level=settings.code_noise,
    )

"""Objectives, samplers and denoisers from their settings."""

from after.diffusion.denoiser import Denoiser
from after.diffusion.edm import Edm
from after.diffusion.epsilon import Epsilon
from after.diffusion.flow import Flow
from after.diffusion.objective import Objective
from after.diffusion.samplers import Sampler
from after.diffusion.transformer import TransformerDenoiser
from after.diffusion.unet import UNetDenoiser
from after.settings import DenoiserSettings, ObjectiveSettings, SamplerSettings

_OWN_SAMPLERS = {"flow": "euler", "epsilon": "ddim", "edm": "ddim"}
_OWN_DISTRIBUTIONS = {"flow": "logit_normal", "epsilon": "uniform"}


def build_objective(settings: ObjectiveSettings) -> Objective:
    """Build an objective."""
    if settings.kind == "edm":
        return Edm(
            p_mean=settings.p_mean,
            p_std=settings.p_std,
            sigma_min=settings.sigma_min,
            sigma_max=settings.sigma_max,
            rho=settings.rho,
        )
    is_own = settings.time_distribution == "auto"
    distribution = _OWN_DISTRIBUTIONS[settings.kind] if is_own else settings.time_distribution
    if settings.kind == "epsilon":
        return Epsilon(time_distribution=distribution)
    return Flow(time_distribution=distribution)


def build_sampler(objective: ObjectiveSettings, sampler: SamplerSettings) -> Sampler:
    """Build a sampler with its objective; `auto` chooses what suits the objective best."""
    kind = _OWN_SAMPLERS[objective.kind] if sampler.kind == "auto" else sampler.kind
    return Sampler(build_objective(objective), kind=kind, schedule=sampler.schedule)


def build_denoiser(settings: DenoiserSettings, num_latents: int, timbre_size: int) -> Denoiser:
    """Build a denoising network with fresh weights.

    Args:
        settings: of the network.
        num_latents: D.
        timbre_size: E.
    """
    if settings.network == "unet":
        return UNetDenoiser(
            num_latents,
            timbre_size,
            widths=settings.unet.widths,
            blocks=settings.unet.blocks,
            kernel_size=settings.unet.kernel_size,
            expansion=settings.unet.expansion,
            attention_window=settings.unet.attention_window,
            num_heads=settings.unet.num_heads,
        )
    return TransformerDenoiser(
        num_latents,
        timbre_size,
        width=settings.width,
        num_layers=settings.num_layers,
        num_heads=settings.num_heads,
        window=settings.window,
        expansion=settings.expansion,
    )

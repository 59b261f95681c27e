"""Data whose best denoiser is known in closed form: every latent is normal with mean m and standard deviation s."""

import torch
from torch import Tensor

from after.diffusion.build import build_objective
from after.diffusion.objective import Objective
from after.settings import ObjectiveSettings

MEAN, DEVIATION = 1.5, 0.4
KINDS = ("flow", "epsilon", "edm")


def objective_of(kind: str, **changed: float) -> Objective:
    return build_objective(ObjectiveSettings(kind=kind, **changed))


def best_estimates(objective: Objective, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """E[data | x_t] and E[noise | x_t]: linear in x_t, as all three are jointly normal."""
    alpha, sigma = objective.alpha(t), objective.sigma(t)
    surprise = (x - alpha * MEAN) / (alpha**2 * DEVIATION**2 + sigma**2)
    return MEAN + alpha * DEVIATION**2 * surprise, sigma * surprise


def best_prediction(objective: Objective, x: Tensor, t: Tensor) -> Tensor:
    """What minimises the loss: targets are affine in data and noise, so theirs is that of the means."""
    return objective.target(*best_estimates(objective, x, t), t)


def exact_end(objective: Objective, x: Tensor) -> Tensor:
    """Where the path's equation leads from x at t = 0: quantiles go to quantiles."""
    start = torch.zeros((), dtype=torch.float64)
    alpha, sigma = objective.alpha(start), objective.sigma(start)
    return MEAN + DEVIATION * (x - alpha * MEAN) / torch.sqrt(alpha**2 * DEVIATION**2 + sigma**2)

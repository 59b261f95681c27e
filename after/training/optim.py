"""AdamW with sensible weight decay, a learning rate that is a pure function of the iteration, gradient clipping."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from after.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Linear warm-up to `learning_rate`, then half a cosine down to `learning_rate * final_ratio`."""

    learning_rate: float
    iterations: int
    warmup_iterations: int = 0
    final_ratio: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.learning_rate <= 0 or not 0 <= self.final_ratio <= 1:
            raise ConfigError(
                f"learning_rate is {self.learning_rate} and final_ratio {self.final_ratio}; "
                "the first must be above 0, the second in 0..1"
            )
        if self.iterations < 1 or self.warmup_iterations < 0:
            raise ConfigError(
                f"iterations is {self.iterations} and warmup_iterations {self.warmup_iterations}; "
                "use at least 1 and at least 0"
            )


def learning_rate(iteration: int, schedule: Schedule) -> float:
    """Give the learning rate of one optimiser update.

    Args:
        iteration: updates done so far (0 for the first update); past the end the final rate stays.
        schedule: the curve.

    Source: Loshchilov and Hutter 2017, SGDR, arXiv 1608.03983, equation 5, one period.
    """
    if iteration < schedule.warmup_iterations:
        return schedule.learning_rate * (iteration + 1) / schedule.warmup_iterations
    length = max(1, schedule.iterations - schedule.warmup_iterations)
    position = min(1.0, (iteration - schedule.warmup_iterations) / length)
    cosine = 0.5 * (1 + math.cos(math.pi * position))
    return schedule.learning_rate * (schedule.final_ratio + (1 - schedule.final_ratio) * cosine)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Use one learning rate in every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = value


def build_adamw(
    *modules: nn.Module,
    learning_rate: float,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.99),
) -> torch.optim.AdamW:
    """Build AdamW over all trainable parameters; biases, gains and other 1-D parameters are not decayed.

    Raises:
        ConfigError: there is nothing to train.
    """
    parameters = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
    matrices = [p for p in parameters.values() if p.ndim > 1]
    vectors = [p for p in parameters.values() if p.ndim <= 1]
    if not parameters:
        names = ", ".join(type(module).__name__ for module in modules) or "no module"
        raise ConfigError(f"nothing to train in {names}: every parameter is frozen")
    groups = [
        {"params": group, "weight_decay": decay} for group, decay in ((matrices, weight_decay), (vectors, 0.0)) if group
    ]
    # The fused kernel does all tensors in one call: on a CPU it is several times faster than the loop over tensors.
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters.values())
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=fused)


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale gradients so that their joint L2 norm is at most `max_norm`.

    Returns:
        The norm before clipping, a scalar tensor on the parameters' device (no synchronisation).
    """
    return torch.nn.utils.clip_grad_norm_(parameters, max_norm)

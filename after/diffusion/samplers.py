"""Samplers: how a path is walked from noise to data in few steps, as pure functions of a network's estimates.

A sampler solves dx/dt = alpha'(t) data + sigma'(t) noise, where data and noise are what the network makes of x_t. All
are deterministic; what differs is how far they trust one estimate.

Each call of the network (an evaluation) happens at a point of its own on the way, so in a stream each has a state of
its own: `num_evaluations` tells how many there are.
"""

import torch
from torch import Tensor, nn

from after.diffusion.objective import Objective, cosine_times, uniform_times

SAMPLERS = ("euler", "ddim", "heun")


def num_evaluations(sampler: str, num_steps: int) -> int:
    """Count the calls of the network: one per step, for `heun` two but for the last step."""
    return 2 * num_steps - 1 if sampler == "heun" else num_steps


def evaluated_step(sampler: str, evaluation: int) -> int:
    """Tell at which of the times 0..num_steps an evaluation takes place."""
    return (evaluation + 1) // 2 if sampler == "heun" else evaluation


def ddim(data: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Mix the estimates anew as they should be mixed at the end of the step.

    Source: Song et al. 2020, arXiv 2010.02502, equation 12 with its sigma = 0.
    """
    return alpha * data + sigma * noise


def euler(x: Tensor, slope: Tensor, step: Tensor) -> Tensor:
    """Go straight on for one step."""
    return x + step * slope


def heun(x: Tensor, slope: Tensor, slope_at_end: Tensor, step: Tensor) -> Tensor:
    """Go one step from x along the mean of the slopes at its start and at its (predicted) end.

    Source: Karras et al. 2022, arXiv 2206.00364, algorithm 1, line 8.
    """
    return x + 0.5 * step * (slope + slope_at_end)


class Sampler(nn.Module):
    """Walk the path of an objective; there are no weights in it, and nothing is kept between calls.

    For a network f, with `times = sampler.times(num_steps, device)`:

        x, held = sampler.begin(noise, times), []
        for k in range(sampler.num_evaluations(num_steps)):
            t = times[sampler.evaluated_step(k)]
            prediction = f(objective.scale(t) * x, objective.network_time(t))
            x, held = sampler.update(k, x, prediction, times, held)

    Args:
        objective: what the network predicts, and on which path.
        kind: `euler`, `ddim` or `heun`; may be changed at any time between two streams.
        schedule: of the steps: `uniform`, `cosine` or `own`, which is the objective's.
    """

    def __init__(self, objective: Objective, *, kind: str, schedule: str) -> None:
        super().__init__()
        self.objective = objective
        self.kind = kind
        self.schedule = schedule

    def times(self, num_steps: int, device: torch.device) -> Tensor:
        """Give where steps begin and end, [num_steps + 1] from 0 to 1, float64."""
        if self.schedule == "uniform":
            return uniform_times(num_steps, device)
        if self.schedule == "cosine":
            return cosine_times(num_steps, device)
        return self.objective.own_times(num_steps, device)

    def num_evaluations(self, num_steps: int) -> int:
        """Count the calls of the network in so many steps."""
        return num_evaluations(self.kind, num_steps)

    def evaluated_times(self, times: Tensor) -> Tensor:
        """Give the times of all evaluations."""
        num_steps = times.size(0) - 1
        return torch.stack([times[evaluated_step(self.kind, k)] for k in range(self.num_evaluations(num_steps))])

    def begin(self, noise: Tensor, times: Tensor) -> Tensor:
        """Bring standard normal noise [B, L, D] to the level at which the path begins."""
        return self.objective.sigma(times[0]) * noise

    def update(
        self, evaluation: int, x: Tensor, prediction: Tensor, times: Tensor, held: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Go on from x with what the network predicted there.

        Args:
            evaluation: 0 to `num_evaluations` - 1.
            x: [B, L, D], where the evaluation took place.
            prediction: [B, L, D].
            times: from `times`.
            held: given back by the previous evaluation of the same walk; empty at first.

        Returns:
            where the next evaluation takes place, or the result; and what to hand to it.
        """
        nothing: list[Tensor] = []
        step = evaluated_step(self.kind, evaluation)
        data, noise = self.objective.estimates(x, prediction, times[step])
        is_last = evaluation == self.num_evaluations(times.size(0) - 1) - 1
        if self.kind == "ddim" or (self.kind == "heun" and is_last):  # heun ends on its estimate of the data
            end = times[step + 1]
            return ddim(data, noise, self.objective.alpha(end), self.objective.sigma(end)), nothing
        slope = self.objective.slope(data, noise, times[step])
        if len(held) == 2:
            return heun(held[0], held[1], slope, times[step] - times[step - 1]), nothing
        going_on = euler(x, slope, times[step + 1] - times[step])
        return going_on, [x, slope] if self.kind == "heun" else nothing

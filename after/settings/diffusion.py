"""What a generative model learns, and how it is sampled."""

from dataclasses import dataclass

from after.settings.checks import require, require_above_zero, require_choice


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveSettings:
    """What the denoiser predicts, on which path from noise to data.

    Attributes:
        kind: `flow` (rectified flow), `epsilon` (noise, on the cosine path) or `edm` (preconditioned denoiser).
        time_distribution: of the times in training: `logit_normal`, `uniform`, or `auto`, the first for `flow` and the
            second for `epsilon`. For `edm` the next two tell it.
        p_mean: mean of ln sigma in training; `edm` only, as all that follow. The paper's -1.2 for latents of unit
            variance, where it has 0.5.
        p_std: standard deviation of ln sigma in training.
        sigma_min: noise level at the start of the last step; codecs forgive errors of 0.1.
        sigma_max: noise level at the start. The paper has 0.002 and 80, for images of 8 bits and 18 steps or more.
        rho: larger makes the steps at low noise levels shorter.
    """

    kind: str = "flow"
    time_distribution: str = "auto"
    p_mean: float = -0.5
    p_std: float = 1.2
    sigma_min: float = 0.02
    sigma_max: float = 20.0
    rho: float = 7.0

    def __post_init__(self) -> None:
        require_choice("model.objective", self, "kind", "flow", "epsilon", "edm")
        require_choice("model.objective", self, "time_distribution", "auto", "logit_normal", "uniform")
        require(
            self.kind != "edm" or self.time_distribution == "auto",
            f"model.objective.time_distribution is {self.time_distribution!r}, but kind 'edm' draws noise levels: "
            "leave it at 'auto' and set p_mean and p_std",
        )
        require_above_zero("model.objective", self, "p_std", "sigma_min", "sigma_max", "rho")
        require(abs(self.p_mean) < 20, f"model.objective.p_mean is {self.p_mean}; it must lie within -20 and 20")
        require(
            self.sigma_min < self.sigma_max,
            f"model.objective.sigma_min is {self.sigma_min:g}; it must be below sigma_max ({self.sigma_max:g})",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplerSettings:
    """How latents are drawn.

    Attributes:
        kind: `euler`, `ddim`, `heun` (two calls of the network per step but one in the last), or `auto`: `euler` for
            `flow`, `ddim` for the others. On a path as steep as that of `edm`, `heun` needs 16 steps or more.
        schedule: of the steps: `uniform`, `cosine` (short at both ends), or `own`: even times for `flow` and `epsilon`,
            the `rho` schedule for `edm`.
    """

    kind: str = "auto"
    schedule: str = "own"

    def __post_init__(self) -> None:
        require_choice("model.sampler", self, "kind", "auto", "euler", "ddim", "heun")
        require_choice("model.sampler", self, "schedule", "own", "uniform", "cosine")

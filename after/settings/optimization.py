"""How any network is trained."""

from dataclasses import dataclass, field

from after.settings.checks import require, require_above_zero, require_at_least, require_shares


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSettings:
    """AdamW with warm-up, cosine decay and clipping.

    Attributes:
        learning_rate: peak.
        final_ratio: of the peak, where the cosine ends.
        warmup_iterations: linear rise from 0.
        betas: of AdamW.
        weight_decay: on matrices only.
        max_grad_norm: gradients are scaled down to this norm.
    """

    learning_rate: float = 1e-3
    final_ratio: float = 0.02
    warmup_iterations: int = 200
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        require_above_zero("optimizer", self, "learning_rate", "max_grad_norm")
        require_at_least(0, "optimizer", self, "warmup_iterations", "weight_decay")
        require_shares("optimizer", self, "final_ratio")
        fits = all(0 <= beta < 1 for beta in self.betas)
        require(fits, f"optimizer.betas is {list(self.betas)}; both must be at least 0 and below 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class AveragedOptimizerSettings(OptimizerSettings):
    """An optimiser of weights whose exponential moving average is what is used and exported.

    Attributes:
        ema_decay: of that average.
    """

    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        OptimizerSettings.__post_init__(self)  # super() does not know a class with slots
        require(
            0 <= self.ema_decay < 1,
            f"optimizer.ema_decay is {self.ema_decay}; it must be at least 0 and below 1",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSettings:
    """One training run.

    Attributes:
        iterations: optimiser updates in all; the schedule is laid out over them.
        batch_size: items per update; several processes share them.
        seed: of weights, data order, noise.
        save_every: iterations between checkpoints.
        keep: how many of the newest checkpoints stay, beside the best one.
        validate_every: iterations between validations.
        log_every: iterations between logged scalars.
        precision: `auto` (bf16 where the hardware multiplies it quickly), `bf16` or `fp32`.
        compile: whether torch.compile fuses the networks: `auto` (on a GPU), `yes` or `no`.
        optimizer: of everything trained.
    """

    iterations: int = 100_000
    batch_size: int = 16
    seed: int = 0
    save_every: int = 1000
    keep: int = 2
    validate_every: int = 1000
    log_every: int = 20
    precision: str = "auto"
    compile: str = "auto"
    optimizer: AveragedOptimizerSettings = field(default_factory=AveragedOptimizerSettings)

    def __post_init__(self) -> None:
        require(
            self.precision in ("auto", "bf16", "fp32"),
            f"training.precision is {self.precision!r}; choose auto, bf16 or fp32",
        )
        require(self.compile in ("auto", "yes", "no"), f"training.compile is {self.compile!r}; choose auto, yes or no")
        require_at_least(
            1, "training", self, "iterations", "batch_size", "save_every", "keep", "validate_every", "log_every"
        )
        require_at_least(0, "training", self, "seed")

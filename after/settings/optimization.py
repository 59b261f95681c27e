"""How any network is trained."""

from dataclasses import dataclass, field

from after.settings.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSettings:
    """AdamW with warm-up, cosine decay, clipping and an exponential moving average.

    Attributes:
        learning_rate: peak.
        final_ratio: of the peak, where the cosine ends.
        warmup_iterations: linear rise from 0.
        betas: of AdamW.
        weight_decay: on matrices only.
        max_grad_norm: gradients are scaled down to this norm.
        ema_decay: of the averaged weights that are used and exported.
    """

    learning_rate: float = 1e-3
    final_ratio: float = 0.02
    warmup_iterations: int = 200
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    ema_decay: float = 0.999


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
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        require(
            self.precision in ("auto", "bf16", "fp32"),
            f"training.precision is {self.precision!r}; choose auto, bf16 or fp32",
        )
        require(self.compile in ("auto", "yes", "no"), f"training.compile is {self.compile!r}; choose auto, yes or no")
        require(self.keep >= 1, f"training.keep is {self.keep}; it must be at least 1")

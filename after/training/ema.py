"""Exponential moving average of a model's weights: what is evaluated and exported instead of the raw weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from after.checkpoint import load_into
from after.errors import CheckpointError, ConfigError


class Ema:
    """Shadow of a module's state: parameters averaged, buffers copied.

    Source: Polyak and Juditsky 1992; the warm-up `(1 + n) / (warmup + n)` is TensorFlow's
    `ExponentialMovingAverage(num_updates)`.
    """

    def __init__(self, module: nn.Module, decay: float = 0.999, warmup: int = 10) -> None:
        """Start from the module's present weights.

        Args:
            module: the module being trained; must keep its parameters (values may change, tensors may not).
            decay: share of the old average kept per iteration, 0 to below 1.
            warmup: early iterations average over about n/warmup iterations; 0 uses `decay` from the start.

        Raises:
            ConfigError: decay or warmup out of range.
        """
        if not 0 <= decay < 1 or warmup < 0:
            raise ConfigError(f"decay is {decay} and warmup {warmup}; decay must be in [0, 1) and warmup 0 or more")
        self.module = module
        self.decay = decay
        self.warmup = warmup
        self.shadow = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        parameters = dict(module.named_parameters(remove_duplicate=False))
        self._averaged = [name for name in self.shadow if name in parameters and self.shadow[name].is_floating_point()]

    def decay_at(self, iteration: int) -> float:
        """Give the decay in use after `iteration` optimiser updates (1 for the first)."""
        if self.warmup == 0:
            return self.decay
        return min(self.decay, (1 + iteration) / (self.warmup + iteration))

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """Take the present weights into the average; a pure function of the iteration, so resuming needs no counter."""
        present = self.module.state_dict()
        averaged = [self.shadow[name] for name in self._averaged]
        torch._foreach_lerp_(averaged, [present[name] for name in self._averaged], 1 - self.decay_at(iteration))
        for name in self.shadow.keys() - set(self._averaged):
            self.shadow[name].copy_(present[name])

    def state_dict(self) -> dict[str, Tensor]:
        """Give the shadow under the module's own names: `load_into(module, ema.state_dict())` fits."""
        return dict(self.shadow)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the shadow.

        Raises:
            CheckpointError: names or shapes differ from the module's.
        """
        fits = tensors.keys() == self.shadow.keys()
        if not fits or any(tensors[name].shape != shadow.shape for name, shadow in self.shadow.items()):
            raise CheckpointError("the stored average belongs to another model: start a new run folder")
        for name, shadow in self.shadow.items():
            shadow.copy_(tensors[name])

    @contextmanager
    def applied(self) -> Iterator[nn.Module]:
        """Put the averaged weights into the module for the block, and the training weights back afterwards."""
        kept = {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}
        load_into(self.module, self.shadow)
        try:
            yield self.module
        finally:
            load_into(self.module, kept)

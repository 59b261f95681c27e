"""All that a training run must remember, as flat named tensors and JSON: modules, optimisers, averages, randomness."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from after.checkpoint import load_into
from after.errors import CheckpointError
from after.training.ema import Ema
from after.training.random_state import Generator, capture_random_state, restore_random_state


@dataclass(kw_only=True)
class TrainState:
    """The live objects of a run; names become parts of the stored names and must not hold a dot.

    Attributes:
        modules: networks, stored as `modules.<name>.<parameter>`.
        optimizers: stored as `optimizers.<name>.<parameter number>.<entry>`.
        emas: moving averages, stored as `emas.<name>.<parameter>`; give one the name of its module.
        generators: torch or NumPy generators the loop owns (the global ones are always stored).
        extra: JSON-able values of the loop itself; replaced in place by a restore.
        optional: names of modules and optimisers that come and go: a checkpoint may lack them, and they stay as they
            are then, or have them although they are not wanted any more.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer] = field(default_factory=dict)
    emas: Mapping[str, Ema] = field(default_factory=dict)
    generators: Mapping[str, Generator] = field(default_factory=dict)
    extra: dict[str, object] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    def since(self, name: str, iteration: int) -> int:
        """Tell at which iteration something began, noting it in `extra` when it does."""
        return int(str(self.extra.setdefault(f"{name}_since", iteration)))

    def is_new(self, name: str) -> bool:
        """Tell whether something has not begun yet."""
        return f"{name}_since" not in self.extra

    def end(self, name: str) -> None:
        """Forget that something began."""
        self.extra.pop(f"{name}_since", None)

    def _load(self, name: str, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        try:
            load_into(module, tensors, f"modules.{name}.")
        except CheckpointError as error:
            if name not in self.optional:
                raise
            raise CheckpointError(
                f"the stored {name.replace('_', ' ')} has another size: keep its settings and the data's groups, or "
                "leave it out for an update and bring it in anew"
            ) from error

    def capture(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Give all tensors by flat name, and all other values as a JSON-able dict."""
        tensors: dict[str, Tensor] = {}
        for name, module in self.modules.items():
            tensors |= _prefixed(f"modules.{name}.", module.state_dict())
        for name, ema in self.emas.items():
            tensors |= _prefixed(f"emas.{name}.", ema.state_dict())
        optimizers: dict[str, object] = {}
        for name, optimizer in self.optimizers.items():
            own, optimizers[name] = _capture_optimizer(optimizer)
            tensors |= _prefixed(f"optimizers.{name}.", own)
        random_tensors, random_numbers = capture_random_state(self.generators)
        tensors |= _prefixed("random.", random_tensors)
        return tensors, {"optimizers": optimizers, "random": random_numbers, "extra": dict(self.extra)}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, object]) -> None:
        """Put everything back into the live objects.

        Raises:
            CheckpointError: something is missing, left over, or of another shape.
        """
        for kind, objects in (("modules", self.modules), ("emas", self.emas), ("optimizers", self.optimizers)):
            stored = {name.split(".")[1] for name in tensors if name.startswith(f"{kind}.")}
            if unknown := stored - set(objects) - self.optional:
                raise CheckpointError(
                    f"the checkpoint also has {kind} {', '.join(sorted(unknown))}: start a new run folder"
                )
        stored = {name.split(".")[1] for name in tensors if name.startswith("modules.")}
        awaited = self.optional - stored
        for name, module in self.modules.items():
            if name not in awaited:
                self._load(name, module, tensors)
        for name, ema in self.emas.items():
            ema.load(_under(f"emas.{name}.", tensors))
        optimizers = _table(values, "optimizers")
        for name, optimizer in self.optimizers.items():
            if name in awaited:
                continue
            if name not in optimizers:
                raise CheckpointError(f"the checkpoint has no optimiser {name!r}: start a new run folder")
            _restore_optimizer(optimizer, _under(f"optimizers.{name}.", tensors), _table(optimizers, name))
        self.extra.clear()
        self.extra.update(_table(values, "extra"))
        # Last, because building or loading anything above may draw random numbers.
        restore_random_state(_under("random.", tensors), _table(values, "random"), self.generators)


def _capture_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, object]]:
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, object]] = {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                numbers.setdefault(str(index), {})[key] = value
    return tensors, {"state": numbers, "groups": state["param_groups"]}


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], values: Mapping[str, object]
) -> None:
    present = optimizer.state_dict()["param_groups"]
    stored = values["groups"]
    if not isinstance(stored, list) or [g["params"] for g in stored] != [g["params"] for g in present]:
        raise CheckpointError("the stored optimiser has other parameter groups: start a new run folder")
    state: dict[int, dict[str, object]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    for index, entries in _table(values, "state").items():
        state.setdefault(int(index), {}).update(entries if isinstance(entries, dict) else {})
    groups = [
        # JSON has no tuples: betas must become one again.
        {key: tuple(value) if isinstance(now.get(key), tuple) else value for key, value in group.items()}
        for group, now in zip(stored, present, strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _table(values: Mapping[str, object], key: str) -> dict[str, object]:
    value = values.get(key)
    if not isinstance(value, dict):
        raise CheckpointError(f"the checkpoint has no table {key!r}: it is damaged or from another version")
    return value

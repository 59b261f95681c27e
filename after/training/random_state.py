"""All random number generators a training run touches, taken out and put back so that a resumed run goes on exactly."""

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from after.errors import CheckpointError

Generator = torch.Generator | np.random.Generator


def capture_random_state(generators: Mapping[str, Generator]) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Take out the state of Python's, NumPy's and torch's own generators and of the named ones.

    Args:
        generators: generators the caller owns, by a name that stays the same between runs.

    Returns:
        Byte tensors and JSON-able values, for `restore_random_state`.
    """
    tensors = {"torch.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"torch.cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    tensors["numpy.keys"] = torch.from_numpy(np.asarray(keys, dtype=np.uint32).astype(np.int64))
    numbers: dict[str, object] = {
        "python": [version, list(words), gauss],
        "numpy": [str(kind), int(position), int(has_gauss), float(cached)],
    }
    for name, generator in generators.items():
        if isinstance(generator, torch.Generator):
            tensors[f"own.{name}"] = generator.get_state()
        else:
            numbers[f"own.{name}"] = dict(generator.bit_generator.state)
    return tensors, numbers


def restore_random_state(
    tensors: Mapping[str, Tensor], numbers: Mapping[str, object], generators: Mapping[str, Generator]
) -> None:
    """Put back what `capture_random_state` took; on a machine with other GPUs their generators keep their seeds.

    Raises:
        CheckpointError: a named generator was not stored.
    """
    for name, generator in generators.items():
        key = f"own.{name}"
        if isinstance(generator, torch.Generator) and key in tensors:
            generator.set_state(tensors[key])
        elif isinstance(generator, np.random.Generator) and key in numbers:
            generator.bit_generator.state = _table(numbers[key])
        else:
            raise CheckpointError(
                f"the checkpoint has no state for generator {name!r}: it was written by another version"
            )
    torch.set_rng_state(tensors["torch.cpu"])
    cuda = [tensors[key] for key in sorted(key for key in tensors if key.startswith("torch.cuda."))]
    if torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
    version, words, gauss = _sequence(numbers["python"])
    random.setstate((version, tuple(_sequence(words)), gauss))
    kind, position, has_gauss, cached = _sequence(numbers["numpy"])
    keys = tensors["numpy.keys"].numpy().astype(np.uint32)
    np.random.set_state((str(kind), keys, position, has_gauss, cached))  # type: ignore[arg-type]  # noqa: NPY002


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise CheckpointError("the random state in the checkpoint is damaged: use an older checkpoint")
    return value


def _sequence(value: object) -> list[object]:
    if not isinstance(value, list):
        raise CheckpointError("the random state in the checkpoint is damaged: use an older checkpoint")
    return value

"""What hosts of exported modules look for, written onto the module: methods, their channels, ratios and labels.

Hosts such as nn~ call methods of one tensor in and one tensor out, in inference mode. They find out about a method M
from the buffer `M_params` (input channels, input ratio, output channels, output ratio; a ratio is samples per value),
about an attribute A from `A_params` (type ids: 1 int, 2 float), `get_A` and `set_A`. Setters change plain numbers only,
or drop a state to be made anew by the next call: a tensor made in inference mode cannot be changed outside it.
"""

import torch
from torch import Tensor, nn

INT_ID = 1
FLOAT_ID = 2


def describe_method(owner: nn.Module, name: str, shape: tuple[int, int, int, int], inputs: str, outputs: str) -> None:
    """Give a method the buffer and the labels that hosts ask for.

    Args:
        owner: has the method.
        name: of the method.
        shape: input channels, input ratio, output channels, output ratio.
        inputs: label of the input channels, several parted by commas; the last is numbered to fill the channels.
        outputs: likewise for the output channels.
    """
    owner.register_buffer(f"{name}_params", torch.tensor(shape, dtype=torch.int64))
    setattr(owner, f"{name}_input_labels", _labels(inputs, shape[0]))
    setattr(owner, f"{name}_output_labels", _labels(outputs, shape[2]))


def _labels(text: str, channels: int) -> list[str]:
    first = [label.strip() for label in text.split(",")]
    missing = channels - len(first)
    if missing == 0:
        return first
    stem = first.pop()
    return first + [f"{stem} {number + 1}" for number in range(missing + 1)]


def is_stale(state: list[Tensor], x: Tensor) -> bool:
    """Tell whether a stream must begin anew: no state yet, another batch size or another device than x."""
    if len(state) == 0:
        return True
    return state[0].size(0) != x.size(0) or state[0].device != x.device


def check_block(x: Tensor, channels: int, block: int) -> None:
    """Raise a ValueError unless x is [B, channels, a multiple of block]."""
    if x.dim() != 3 or x.size(1) != channels or x.size(2) % block != 0 or x.size(2) == 0:
        raise ValueError(f"the input is {x.size()}; it must be [batch, {channels}, a multiple of {block}]")


def clean_audio(x: Tensor) -> Tensor:
    """Replace what is no number by silence; stay within 40 dB above full scale, so that squares remain finite."""
    return torch.nan_to_num(x, 0.0, 0.0, 0.0).clamp(-100.0, 100.0)


def describe_attribute(owner: nn.Module, name: str, *, is_int: bool) -> None:
    """Give an attribute the buffer that hosts ask for."""
    owner.register_buffer(f"{name}_params", torch.tensor([INT_ID if is_int else FLOAT_ID]))

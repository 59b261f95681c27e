"""A foreign module in a box that hands its state in and out and draws nothing at random."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.jit.frontend import FrontendError

from after.codec.foreign.archive import RUN_ERRORS, declared_params, last_line, load_archive
from after.codec.foreign.held_state import HeldValue, define_access, find_state
from after.codec.foreign.randomness import MEAN_FRAME, make_repeatable
from after.errors import CheckpointError

_FRAMES_PER_CALL = (1, 1, 1, 4, 2)
_UNDECLARED_SAMPLES = 1 << 16


class _Box(nn.Module):
    """Give both methods of a foreign module the frame they are called for as a second argument."""

    def __init__(self, inner: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.inner = inner

    @torch.jit.export
    def encode(self, audio: Tensor, frame: int = MEAN_FRAME) -> Tensor:
        """Encode [1, 1, T] to [1, D or 2 D, L]."""
        latents: Tensor = self.inner.encode(audio)
        return latents

    @torch.jit.export
    def decode(self, latents: Tensor, frame: int = MEAN_FRAME) -> Tensor:
        """Decode [1, D, L] to [1, 1, T]."""
        audio: Tensor = self.inner.decode(latents)
        return audio


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """What an encoder and a decoder take and give."""

    hop_length: int
    num_latents: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxed:
    """A foreign module ready to run, with what was found out about it.

    Attributes:
        box: has `encode`, `decode`, and `set_` and `get_encode_state`, `set_` and `get_decode_state`.
        sizes: of its inputs and outputs.
        encode_state: what encoding keeps between calls.
        decode_state: what decoding keeps between calls.
        is_noisy: whether decoding draws noise.
    """

    box: torch.jit.ScriptModule
    sizes: Sizes
    encode_state: Sequence[HeldValue]
    decode_state: Sequence[HeldValue]
    is_noisy: bool


@torch.no_grad()
def open_box(archive: bytes, name: str) -> Boxed:
    """Load a foreign module and find out what it takes, gives and keeps.

    Args:
        archive: the file's content.
        name: of the file, for messages.

    Raises:
        CheckpointError: if it is not what a codec must be; says what was found, what is needed and what to do.
    """
    # one is run to find out about it, the other stays as it was saved
    (box, is_noisy), (used, _) = _make_box(archive, name), _make_box(archive, name)
    generator = torch.Generator().manual_seed(0)
    try:
        sizes = _measure(used, name)
        widths = {"encode": (1, sizes.hop_length), "decode": (sizes.num_latents, 1)}
        held = {}
        for method, (width, samples) in widths.items():
            blocks = [torch.randn(1, width, n * samples, generator=generator) for n in _FRAMES_PER_CALL]
            held[method] = find_state(box, used, method, blocks, name)
            define_access(box, method, held[method])
    except RUN_ERRORS as error:
        raise CheckpointError(
            f"{name} fails when it is run ({last_line(error)}): a codec must encode [1, 1, T] and decode its latents "
            "on the CPU, in blocks of any number of frames; export it again"
        ) from error
    return Boxed(box=box, sizes=sizes, encode_state=held["encode"], decode_state=held["decode"], is_noisy=is_noisy)


def _make_box(archive: bytes, name: str) -> tuple[torch.jit.ScriptModule, bool]:
    """Load a module and box it; also tell whether decoding draws at random."""
    module = load_archive(archive, name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*deprecated", category=DeprecationWarning)
        try:
            box: torch.jit.ScriptModule = torch.jit.script(_Box(module).eval())
        except (RuntimeError, FrontendError) as error:
            raise CheckpointError(
                f"{name} has methods encode and decode of another form: each must take one tensor and give one; "
                "export it so"
            ) from error
    make_repeatable(box, "encode", name)
    return box, make_repeatable(box, "decode", name)


def _measure(box: torch.jit.ScriptModule, name: str) -> Sizes:
    """Run both methods once, and compare what they give with what the file declares."""
    encode, decode = declared_params(box.inner, "encode"), declared_params(box.inner, "decode")
    _check_declared(encode, decode, name)
    num_samples = 4 * encode[3] if encode else _UNDECLARED_SAMPLES
    latents: Tensor = box.encode(torch.zeros(1, 1, num_samples))
    if latents.dim() != 3 or latents.size(0) != 1 or latents.numel() == 0 or num_samples % latents.size(2):
        raise CheckpointError(
            f"{name}: encode gives {list(latents.shape)} for {num_samples} samples; it must give [1, latents, frames] "
            "with the same number of samples in each frame: export it so"
        )
    width, hop = latents.size(1), num_samples // latents.size(2)
    if hop & (hop - 1):
        raise CheckpointError(
            f"{name} has {hop} samples per latent frame; hosts need a power of two: export a codec with such a ratio"
        )
    found = (1, 1, width, hop)
    if encode is not None and encode != found:
        raise CheckpointError(f"{name} declares {encode} for encode, which gives {found}: export it again")
    num_latents = decode[0] if decode else width
    if num_latents not in (width, width / 2):
        raise CheckpointError(
            f"{name}: encode gives {width} latent channels, decode takes {num_latents}; they must be as many (or half, "
            "where encode gives means and scales): export it again"
        )
    audio: Tensor = box.decode(torch.zeros(1, num_latents, latents.size(2)))
    if audio.shape != (1, 1, num_samples):
        raise CheckpointError(
            f"{name}: decode gives {list(audio.shape)} where encode took [1, 1, {num_samples}]; a codec is mono and "
            "gives as many samples as it takes: export such a one"
        )
    return Sizes(hop_length=hop, num_latents=num_latents)


def _check_declared(
    encode: tuple[int, int, int, int] | None, decode: tuple[int, int, int, int] | None, name: str
) -> None:
    """Refuse what the file itself says does not fit, with better words than a failing run has."""
    for method, side, channels in (
        ("encode", "takes", encode[0] if encode else 1),
        ("decode", "gives", decode[2] if decode else 1),
    ):
        if channels != 1:
            raise CheckpointError(
                f"{name}: {method} {side} {channels} audio channels; codecs here are mono: export a mono model"
            )
    if encode and (encode[1] != 1 or encode[3] < 1):
        raise CheckpointError(f"{name} declares the ratios {encode[1]} and {encode[3]} for encode; the first must be 1")
    if decode and decode[3] != 1:
        raise CheckpointError(f"{name} declares the output ratio {decode[3]} for decode; it must be 1: export it again")
    if encode and decode and encode[3] != decode[1]:
        raise CheckpointError(
            f"{name}: encode makes a frame of {encode[3]} samples, decode makes {decode[1]} samples of a frame; they "
            "must be the same: export encoder and decoder of one model"
        )

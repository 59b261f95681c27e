"""The file of a foreign codec: read it, load it, and find what it says about itself."""

import io
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from after.codec.foreign.effects import check_archive, check_effects
from after.errors import CheckpointError, ExportError
from after.manifest import EXPORT_SUFFIX, read_manifest

_RATE_NAMES = ("sampling_rate", "sr", "sample_rate")
_RATE_METHOD = "get_sample_rate"
_RATES = (1000, 768_000)
_ZIP_START = b"PK\x03\x04"

RUN_ERRORS = (RuntimeError, torch.jit.Error)
"""What running a TorchScript file raises."""


def is_foreign(source: str | Path) -> bool:
    """Tell whether a codec's source is a TorchScript file, or means to be one."""
    path = Path(source)
    if path.suffix == EXPORT_SUFFIX or not path.is_file():
        return path.suffix == EXPORT_SUFFIX
    with path.open("rb") as file:  # an instrument may contain such a file: what counts is the beginning
        return file.read(len(_ZIP_START)) == _ZIP_START


def read_archive(path: Path) -> bytes:
    """Read the whole file.

    Raises:
        CheckpointError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"cannot read the codec {path}: {error.strerror or error}; name a TorchScript file"
        ) from error


def refuse_own(path: Path) -> None:
    """Refuse what this project exported: that is made for hosts, and its own files hold more.

    Raises:
        CheckpointError: if the file is such an export.
    """
    try:
        kind = read_manifest(path).get("kind")
    except ExportError:
        return
    raise CheckpointError(
        f"{path} is an exported {kind} of after: give the run folder or the .safetensors file that it was made from"
    )


def load_archive(archive: bytes, name: str) -> torch.jit.ScriptModule:
    """Load the module, for the CPU and in evaluation mode.

    Args:
        archive: the file's content.
        name: of the file, for messages.

    Raises:
        CheckpointError: if it is no TorchScript file, lacks a method, or does more than compute.
    """
    check_archive(archive, name)
    try:
        module: torch.jit.ScriptModule = torch.jit.load(io.BytesIO(archive), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{name} is not a TorchScript file, or it is damaged ({last_line(error)}): a codec of another program must "
            "be exported by torch.jit, as RAVE's export does"
        ) from error
    missing = [method for method in ("encode", "decode") if not module._c._has_method(method)]
    if missing:
        has = ", ".join(sorted(module._c._method_names())) or "none"
        raise CheckpointError(
            f"{name} has no method {' and no method '.join(missing)}; it has {has}: a codec needs encode (audio to "
            "latents) and decode (latents to audio), so export it with both"
        )
    check_effects(module, name)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module.eval()


def declared_params(module: torch.jit.ScriptModule, method: str) -> tuple[int, int, int, int] | None:
    """Read what the file says of a method: input channels and ratio, output channels and ratio; None if nothing."""
    params = getattr(module, f"{method}_params", None)
    if not isinstance(params, Tensor) or params.numel() != 4:
        return None
    first, second, third, fourth = (int(value) for value in params.flatten().tolist())
    return first, second, third, fourth


def find_sample_rate(module: torch.jit.ScriptModule, name: str, given: int | None) -> int:
    """Find the sample rate in Hz.

    Args:
        module: loaded.
        name: of the file, for messages.
        given: what the user says.

    Raises:
        CheckpointError: if neither file nor user say it, or they differ.
    """
    stated = _stated_rate(module)
    if stated is None and given is None:
        raise CheckpointError(
            f"{name} does not state its sample rate (looked for {', '.join(_RATE_NAMES)}): give it with "
            "--codec-sample-rate HZ, or keep it in the file as an attribute of such a name"
        )
    if stated is not None and given is not None and stated != given:
        raise CheckpointError(
            f"{name} states a sample rate of {stated} Hz, {given} Hz was given: leave --codec-sample-rate away"
        )
    rate, (low, high) = int(stated or given or 0), _RATES
    if not low <= rate <= high:
        raise CheckpointError(
            f"{name} would have a sample rate of {rate} Hz; {low} to {high} Hz can be: give the right one"
        )
    return rate


def _stated_rate(module: torch.jit.ScriptModule) -> int | None:
    for name in _RATE_NAMES:
        if (rate := _as_rate(getattr(module, name, None))) is not None:
            return rate
    if not module._c._has_method(_RATE_METHOD):
        return None
    try:
        return _as_rate(getattr(module, _RATE_METHOD)())
    except RUN_ERRORS:  # wants arguments, or fails: it says nothing then
        return None


def _as_rate(value: Any) -> int | None:
    """Read a rate, by itself or as the only item of a tuple, list or tensor."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, tuple | list) and len(value) == 1:
        value = value[0]
    is_rate = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return round(value) if is_rate else None


def last_line(error: BaseException) -> str:
    """Give the line of an error's message that says what happened; TorchScript puts a traceback before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

"""Weights on disk: safetensors with a JSON settings snapshot in the file's own metadata, no pickle anywhere."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from after.errors import CheckpointError

SNAPSHOT_KEY = "after_snapshot"
WEIGHTS_SUFFIX = ".safetensors"
# Names inside a training checkpoint: the averaged weights are preferred to the raw ones when a model is read for use.
WEIGHT_PREFIXES = ("emas.", "modules.")
_MAX_HALF = torch.finfo(torch.float16).max


def replace_file(path: str | Path, data: bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part.

    Args:
        path: the file; its folder is made if need be.
        data: the whole content.

    Raises:
        CheckpointError: the file cannot be written (no space, no permission); the previous file stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another folder "
            "(what was there before is untouched)"
        ) from error
    finally:
        # where even this fails, the error above says more
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_checkpoint(
    path: str | Path, tensors: Mapping[str, Tensor], snapshot: Mapping[str, object], *, half: bool = False
) -> None:
    """Write tensors and the settings that explain them as one safetensors file, atomically.

    Args:
        path: the file to write or replace.
        tensors: any dtypes and devices; tensors that share memory are stored once each.
        snapshot: JSON-able settings; kept in the metadata under `SNAPSHOT_KEY`.
        half: store float32 and float64 tensors as float16 (half the size; `load_into` casts back).

    Raises:
        CheckpointError: the snapshot is not JSON, a value does not fit float16, or the file cannot be written.
    """
    try:
        text = json.dumps(dict(snapshot), allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"snapshot for {path} is not JSON: {error}; give numbers, strings, lists, dicts"
        ) from error
    stored = {name: _storable(name, tensor, half) for name, tensor in tensors.items()}
    replace_file(path, save(_unshared(stored), {SNAPSHOT_KEY: text}))


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Read every tensor (on the CPU, as stored) and the settings snapshot.

    Raises:
        CheckpointError: the file is missing, truncated, not safetensors, or has no snapshot.
    """
    tensors, snapshot = _open(Path(path), with_tensors=True)
    return tensors, snapshot


def read_snapshot(path: str | Path) -> dict[str, object]:
    """Read the settings snapshot alone, without loading a tensor; raises as `read_checkpoint` does."""
    return _open(Path(path), with_tensors=False)[1]


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str = "") -> None:
    """Copy stored tensors into a module, strictly: every name and shape must match.

    Args:
        module: receives the values, in its own dtypes and on its own device (float16 becomes float32).
        tensors: from `read_checkpoint`.
        prefix: only names that start with it count, and it is cut off (`"codec."`).

    Raises:
        CheckpointError: lists what is missing, unexpected or of another shape; the module is then unchanged.
    """
    given = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    wanted = module.state_dict()
    problems = _mismatches(wanted, given)
    if problems:
        raise CheckpointError(
            f"weights do not fit {type(module).__name__}: {'; '.join(problems)}. "
            "Build the model from the snapshot stored with these weights, or choose the checkpoint it belongs to"
        )
    with torch.no_grad():
        for name, target in wanted.items():
            target.copy_(given[name])


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Find the newest numbered checkpoint of a run folder, or None where there is none yet."""
    found = list_checkpoints(folder)
    return found[-1] if found else None


def list_checkpoints(folder: str | Path) -> list[Path]:
    """List a run folder's checkpoints (`checkpoints/<iteration>.safetensors`), oldest first."""
    files = (Path(folder) / "checkpoints").glob(f"*{WEIGHTS_SUFFIX}")
    return sorted((file for file in files if file.stem.isdigit()), key=lambda file: int(file.stem))


def read_weights(source: str | Path, name: str = "model") -> tuple[dict[str, Tensor], dict[str, object]]:
    """Read one model's weights for use, from a run folder, a training checkpoint, or a plain weights file.

    Args:
        source: a run folder (its newest checkpoint is taken) or a file.
        name: which module of a training checkpoint; its moving average is preferred. Ignored for a plain file.

    Returns:
        The tensors under the module's own names, and the settings snapshot.

    Raises:
        CheckpointError: nothing there, unreadable, or no module of that name.
    """
    path = Path(source)
    if path.is_dir():
        newest = latest_checkpoint(path)
        if newest is None:
            raise CheckpointError(
                f"run folder {path} holds no checkpoint yet: train it first, or name a .safetensors file"
            )
        path = newest
    tensors, snapshot = read_checkpoint(path)
    if "training_state" not in snapshot:
        return tensors, snapshot
    settings = snapshot["settings"]
    for prefix in (f"{kind}{name}." for kind in WEIGHT_PREFIXES):
        chosen = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        if chosen:
            return chosen, dict(settings) if isinstance(settings, dict) else {}
    names = sorted({key.split(".")[1] for key in tensors if key.startswith(WEIGHT_PREFIXES)})
    raise CheckpointError(f"{path} has no module {name!r}; it has {', '.join(names) or 'none'}")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _storable(name: str, tensor: Tensor, half: bool) -> Tensor:
    stored = tensor.detach().to("cpu")
    if half and stored.dtype in (torch.float32, torch.float64):
        peak = float(stored.abs().amax()) if stored.numel() else 0.0
        if peak > _MAX_HALF:
            raise CheckpointError(
                f"{name} reaches {peak:.4g}, float16 ends at {_MAX_HALF:.0f}: store it with half=False"
            )
        stored = stored.to(torch.float16)
    return stored.contiguous()


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors that look into a storage already listed: safetensors has no views."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        address = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return separate


def _open(path: Path, *, with_tensors: bool) -> tuple[dict[str, Tensor], dict[str, object]]:
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "missing"
        raise CheckpointError(f"checkpoint {path} is {kind}: name an existing {WEIGHTS_SUFFIX} file")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file ({error}): copy it again or use an older checkpoint"
        ) from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    return tensors, _parse_snapshot(path, metadata)


def _parse_snapshot(path: Path, metadata: Mapping[str, str]) -> dict[str, object]:
    if SNAPSHOT_KEY not in metadata:
        raise CheckpointError(
            f"{path} has no settings snapshot: it was not written by after; give a checkpoint of a run"
        )
    try:
        snapshot = json.loads(metadata[SNAPSHOT_KEY])
    except json.JSONDecodeError as error:
        raise CheckpointError(f"settings snapshot in {path} is not JSON ({error}): use another checkpoint") from error
    if not isinstance(snapshot, dict):
        raise CheckpointError(
            f"settings snapshot in {path} is a {type(snapshot).__name__}, not a table: use another one"
        )
    return snapshot


def _mismatches(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    problems = []
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in given if name not in wanted]
    shapes = [
        f"{name} is {list(given[name].shape)}, needs {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in given and given[name].shape != tensor.shape
    ]
    for label, names in (("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes)):
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            problems.append(f"{label}: {', '.join(names[:8])}{more}")
    return problems

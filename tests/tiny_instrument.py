"""An instrument of a few thousand weights, random but always the same, as the commands read it."""

from pathlib import Path

import torch

from after.checkpoint import write_checkpoint
from after.codec.autoencoder import build_codec
from after.config import load_settings, to_dict
from after.model import build_model
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings

TIMBRES = ("flute", "piano")


def write_tiny_instrument(path: Path, *, num_steps: int = 2) -> Path:
    codec_settings = load_settings(CodecTrainingSettings, "codec_tiny").codec
    model_settings = load_settings(DiffusionTrainingSettings, "tiny").model
    torch.manual_seed(0)
    codec = build_codec(codec_settings)
    model = build_model(model_settings, codec_settings.num_latents)
    with torch.no_grad():
        for parameter in model.parameters():  # what starts at zero would leave notes and timbres without effect
            parameter.add_(0.2 * torch.randn_like(parameter))
    tensors = {f"codec.{name}": tensor for name, tensor in codec.state_dict().items()}
    tensors |= {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"timbres.{name}": 2 * torch.rand(model.timbre_size) - 1 for name in TIMBRES}
    snapshot = {
        "kind": "instrument",
        "codec": to_dict(codec_settings),
        "model": to_dict(model_settings),
        "attributes": {"num_steps": num_steps, "guidance_structure": 1.0, "guidance_timbre": 1.0},
        "description": {
            "license": "CC0-1.0",
            "credits": {name: "made by a test" for name in TIMBRES},
            "timbres": list(TIMBRES),
            "data_hours": 0.0,
            "iterations": 0,
        },
    }
    write_checkpoint(path, tensors, snapshot, half=True)
    return path

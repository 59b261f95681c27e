"""How much memory the two parts of codec training take, before either is begun."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from after.codec.adversarial import discriminator_loss
from after.codec.build import build_codec
from after.codec.cost import estimate_working_bytes
from after.codec.discriminators import level_gain
from after.settings import CodecTrainingSettings
from after.training.codec_updates import Critics, Reconstruction

_CODEC_COPIES = 5
"""Of every weight: itself, its gradient, two moments of AdamW, the moving average."""

_DISCRIMINATOR_COPIES = 4
"""The same without the average."""


def comes_at(settings: CodecTrainingSettings) -> int | None:
    """Give the iteration at which discriminators come; None if they never do."""
    start = settings.adversarial.start_iteration
    return start if 0 < start < settings.training.iterations else None


def estimate_training_mb(settings: CodecTrainingSettings) -> dict[str, float]:
    """Estimate what an update holds at once, in 10^6 bytes at 32 bits per number; bfloat16 halves most of it.

    That is the weights with what training keeps beside them, and what the backward pass needs of the forward pass.

    Returns:
        `spectral`: of the updates without discriminators; `adversarial`: of those with them, where they come.
    """
    loss, batch = settings.loss, settings.training.batch_size
    # an update draws some of the scales: those that keep most
    kept = tuple(sorted(loss.scales))[: loss.scales_per_iteration or None]
    settings = replace(settings, loss=replace(loss, scales=kept, scales_per_iteration=0))
    codec = build_codec(settings.codec).train()
    reconstruction = Reconstruction(settings, codec)

    def forward(audio: Tensor) -> tuple[Tensor, object]:
        result, levels = codec(audio)
        return result, (reconstruction.of_sound(result, audio, 0), reconstruction.of_levels(levels, audio))

    def total_mb(call: Callable[[Tensor], object], weight_bytes: int) -> float:
        return (weight_bytes + estimate_working_bytes(call, settings.crop_samples, batch)) / 1e6

    weights = _CODEC_COPIES * _weight_bytes(codec)
    found = {"spectral": total_mb(forward, weights)}
    if comes_at(settings) is not None:
        critics = Critics(settings.adversarial, settings.training.iterations, torch.device("cpu"))
        judge = critics.discriminators
        codec.encoder.requires_grad_(not settings.adversarial.freeze_encoder)

        def confront(audio: Tensor) -> object:
            result, losses = forward(audio)  # its graph waits while the discriminators learn
            gain = level_gain(audio)
            return losses, discriminator_loss(judge(audio * gain), judge(result.detach() * gain))

        found["adversarial"] = total_mb(confront, weights + _DISCRIMINATOR_COPIES * _weight_bytes(judge))
    return found


def _weight_bytes(module: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())

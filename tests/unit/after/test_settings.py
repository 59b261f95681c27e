"""Settings that cannot work are refused where they are read, in one sentence that names them."""

import pytest

from after.config import from_dict, load_settings
from after.diffusion.build import build_sampler
from after.errors import ConfigError
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings, ModelSettings

CODEC = [
    *(f"training.{name}=0" for name in ("iterations", "batch_size", "save_every", "keep", "validate_every")),
    *("training.log_every=0", "training.compile=perhaps", "training.optimizer.learning_rate=0.0"),
    *("training.optimizer.final_ratio=1.5", "training.optimizer.betas=[0.9, 1.0]"),
    *("training.optimizer.max_grad_norm=0.0", "training.optimizer.warmup_iterations=-1"),
    *("training.optimizer.weight_decay=-0.1", "training.optimizer.learning_rate=inf", "training.seed=-1"),
    *("codec.encoder_blocks=[1, -1]", "codec.num_bands=0", "codec.num_bands=1", "codec.sine_spacing_cents=0.0"),
    *("loss.scales=[512, 512]", "loss.mel_scales=[[512, 0]]", "loss.mel_weight=-1.0", "loss.log_weight=-1.0"),
    *("loss.linear_weight=nan", "loss.mel_floor=0.0", "loss.amplitude_scale=512", "loss.scales_per_iteration=-1"),
    *("training.optimizer.ema_decay=1.0", "adversarial.optimizer.learning_rate=-1.0", "adversarial.width=0"),
    *("codec.frame_hop=0", "codec.latent_stride=0", "codec.decoder_width=0", "codec.encoder_width=0"),
    *("codec.kernel_size=0", "codec.expansion=0", "codec.decoder_blocks=[-1, 1]", "codec.sample_rate=0"),
    *("codec.band_floor=0.0", "crop_samples=0", "loss.scales=[]", "loss.mel_scales=[]", "loss.floor=0.0"),
    *("loss.mel_scales=[[512, 20], [512, 40]]", "loss.scales=[0]", "loss.level_weight=-1.0"),
    *("augment.mix_probability=2.0", "adversarial.stft_scales=[1]", "adversarial.periods=[0]"),
]
MODEL = [
    *("model.denoiser.width=0", "model.denoiser.num_layers=0", "model.timbre.size=0", "model.structure.num_blocks=0"),
    *("model.denoiser.num_heads=0", "model.denoiser.window=0", "model.denoiser.expansion=0", "model.timbre.noise=-1.0"),
    *("model.denoiser.network=mlp", "model.denoiser.unet.widths=[]", "model.denoiser.unet.widths=[8, 0, 8]"),
    *("model.denoiser.unet.blocks=[1]", "model.denoiser.unet.blocks=[1, 0, 1]", "model.denoiser.unet.kernel_size=0"),
    *("model.denoiser.unet.attention_window=-1", "model.denoiser.unet.expansion=0", "model.objective.kind=ddpm"),
    *("model.objective.time_distribution=normal", "model.objective.p_std=0.0", "model.objective.p_mean=nan"),
    *("model.objective.sigma_min=0.0", "model.objective.sigma_min=100.0", "model.objective.sigma_max=inf"),
    *("model.objective.rho=-7.0", "model.sampler.kind=dpm", "model.sampler.schedule=linear"),
    *("dropout.timbre=2.0", "crop_frames=0", "timbre_frames=0", "validation_steps=0"),
]


@pytest.mark.parametrize("override", CODEC)
def test_a_codec_training_is_refused_what_cannot_work(override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0].rpartition(".")[2]):
        load_settings(CodecTrainingSettings, "codec_44k", (override,))


@pytest.mark.parametrize("override", MODEL)
def test_a_model_training_is_refused_what_cannot_work(override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0].rpartition(".")[2]):
        load_settings(DiffusionTrainingSettings, "midi", (override,))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.objective.kind=edm", "model.objective.time_distribution=uniform"), "set p_mean and p_std"),
        (("model.denoiser.unet.attention_window=8", "model.denoiser.unet.num_heads=7"), "multiple of num_heads"),
        (("model.denoiser.unet.widths=[8, 16]",), "blocks has 3 levels and widths 2"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(DiffusionTrainingSettings, "midi", overrides)


def test_what_an_older_snapshot_does_not_say_is_as_it_was() -> None:
    """Instruments written before there was a choice: a transformer that predicts the flow, sampled by Euler steps."""
    old = {"structure": {"kind": "midi"}, "timbre": {"size": 4}, "denoiser": {"network": "transformer", "width": 32}}
    settings = from_dict(ModelSettings, old)
    assert (settings.denoiser.network, settings.objective.kind) == ("transformer", "flow")
    sampler = build_sampler(settings.objective, settings.sampler)
    assert (sampler.kind, sampler.schedule) == ("euler", "own")


def test_a_loss_without_any_weight_teaches_nothing() -> None:
    nothing = [f"loss.{name}_weight=0.0" for name in ("linear", "log", "mel", "level")]
    with pytest.raises(ConfigError, match="one of them must be above 0"):
        load_settings(CodecTrainingSettings, "codec_44k", nothing)
    load_settings(CodecTrainingSettings, "codec_44k", [*nothing[1:], "loss.mel_scales=[]"])


def test_only_weights_that_are_averaged_have_a_decay_of_the_average() -> None:
    settings = load_settings(CodecTrainingSettings, "codec_44k", ["training.optimizer.ema_decay=0.5"])
    assert settings.training.optimizer.ema_decay == 0.5
    with pytest.raises(ConfigError, match=r"unknown key adversarial\.optimizer\.ema_decay"):
        load_settings(CodecTrainingSettings, "codec_44k", ["adversarial.optimizer.ema_decay=0.5"])

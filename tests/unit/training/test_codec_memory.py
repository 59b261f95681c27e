"""The memory that codec training is expected to take, with every loss that it computes."""

import pytest

from after.codec.build import build_codec
from after.codec.cost import count_parameters
from after.config import load_settings
from after.settings import CodecTrainingSettings
from after.training.codec_memory import comes_at, estimate_training_mb

LATE = "adversarial.start_iteration=5"
LEARNED = ("codec.analysis=spectrum", "codec.synthesis=istft", "codec.encoder_width=32")


def settings(*overrides: str) -> CodecTrainingSettings:
    return load_settings(CodecTrainingSettings, "codec_tiny", ("crop_samples=8192", *overrides))


def spectral_mb(*overrides: str) -> float:
    return estimate_training_mb(settings(*overrides))["spectral"]


def test_memory_is_that_of_the_weights_and_grows_by_the_item() -> None:
    one, two, four = (spectral_mb(f"training.batch_size={size}") for size in (1, 2, 4))
    assert two > one > 5 * 4 * count_parameters(build_codec(settings().codec)) / 1e6
    assert four - one == pytest.approx(3 * (two - one))


def test_losses_count_that_are_computed() -> None:
    assert spectral_mb("loss.mel_weight=0.0") < spectral_mb()
    assert spectral_mb("loss.scales_per_iteration=1") < spectral_mb()
    # amplitudes are compared where there are sines: by their expected spectra, one number for each bin and frame
    assert spectral_mb("loss.amplitude_scale=8192") > spectral_mb("loss.amplitude_scale=1024")


@pytest.mark.parametrize(("start", "when"), [(0, None), (5, 5), (19, 19), (20, None)])
def test_discriminators_count_where_they_come(start: int, when: int | None) -> None:
    chosen = settings(f"adversarial.start_iteration={start}")
    assert comes_at(chosen) == when
    found = estimate_training_mb(chosen)
    assert ("adversarial" in found) is (when is not None)
    if when is not None:
        assert found["adversarial"] > found["spectral"]


def test_wider_discriminators_take_more_and_an_encoder_at_rest_less() -> None:
    narrow, wide = (estimate_training_mb(settings(LATE, f"adversarial.width={width}")) for width in (4, 16))
    assert wide["adversarial"] > narrow["adversarial"]
    assert wide["spectral"] == narrow["spectral"]
    resting, learning = (
        estimate_training_mb(settings(LATE, *LEARNED, f"adversarial.freeze_encoder={frozen}"))["adversarial"]
        for frozen in ("true", "false")
    )
    assert resting < learning

import numpy as np
import pytest

from render.level import protect_peak


def test_a_mix_below_full_scale_is_left_alone():
    audio = np.array([[0.2, -1.0]], dtype=np.float32)
    kept, remark = protect_peak(audio)
    assert kept is audio
    assert remark is None


def test_a_mix_that_would_clip_is_scaled_and_says_so():
    scaled, remark = protect_peak(np.array([[0.5, -2.0]], dtype=np.float32))
    assert np.abs(scaled).max() == pytest.approx(10 ** (-0.3 / 20))
    assert scaled[0, 0] / scaled[0, 1] == pytest.approx(-0.25)
    assert remark == "the mix peaked at +6.0 dBFS: scaled by -6.3 dB to a peak of -0.3 dBFS"


def test_normalize_raises_a_soft_mix():
    scaled, remark = protect_peak(np.array([[0.1, -0.05]], dtype=np.float32), normalize=True)
    assert np.abs(scaled).max() == pytest.approx(10 ** (-1 / 20))
    assert remark == "normalised by +19.0 dB to a peak of -1.0 dBFS"


@pytest.mark.parametrize("normalize", [True, False])
def test_silence_stays_and_is_said(normalize):
    kept, remark = protect_peak(np.zeros((2, 10), dtype=np.float32), normalize=normalize)
    assert not kept.any()
    assert remark == "the render is silent"

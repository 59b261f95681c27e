import pytest
import torch

from after.streaming.combine import Serial
from after.streaming.spectral import Frames, OverlapAdd, asymmetric_window
from after.streaming.verify import stream, verify_streaming

SIZES = [(4, 4), (8, 4), (12, 4), (16, 4), (5, 5), (10, 5), (2, 1)]


@pytest.mark.parametrize(("size", "hop"), [*SIZES, (7, 3), (1, 1)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_frames_stream(size, hop, batch_size):
    report = verify_streaming(Frames(torch.rand(size) + 0.1, hop=hop), 1, batch_size=batch_size, num_steps=100)
    assert report.latency == 0


@pytest.mark.parametrize(("size", "hop"), SIZES)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_overlap_add_streams(size, hop, batch_size):
    report = verify_streaming(OverlapAdd(torch.rand(size) + 0.1, hop=hop), size, batch_size=batch_size, num_steps=100)
    assert report.latency == size - hop


@pytest.mark.parametrize("layer", [Frames(torch.rand(8), hop=4), OverlapAdd(torch.rand(8), hop=4)])
def test_both_ends_in_float32_over_a_thousand_steps(layer):
    verify_streaming(layer, 8 if isinstance(layer, OverlapAdd) else 1, tolerance=1e-5)


@pytest.mark.parametrize(("size", "hop"), [(8, 4), (32, 8), (64, 16)])
def test_root_hann_windows_reconstruct_perfectly(size, hop):
    window = torch.hann_window(size, dtype=torch.float64).sqrt()
    chain = Serial([Frames(window, hop=hop), OverlapAdd(window, hop=hop)])
    x = torch.randn(2, hop * 20, 1, dtype=torch.float64)
    gain = size / hop / 2  # a Hann window's sum over its shifts
    y = chain(x)[:, : -(size - hop)] / gain  # the last samples still wait for frames
    torch.testing.assert_close(y, x[:, : -(size - hop)], rtol=0, atol=1e-12)
    delayed = stream(chain, x, 1) / gain
    torch.testing.assert_close(delayed[:, size - hop :], x[:, : -(size - hop)], rtol=0, atol=1e-12)


def test_frames_are_those_of_stft():
    window = torch.hann_window(64, dtype=torch.float64)
    x = torch.randn(2, 16 * 20, 1, dtype=torch.float64)
    ours = torch.fft.rfft(Frames(window, hop=16)(x))
    padded = torch.nn.functional.pad(x.squeeze(2), [48, 0])
    theirs = torch.stft(padded, 64, hop_length=16, window=window, center=False, return_complex=True)
    torch.testing.assert_close(ours, theirs.transpose(1, 2), rtol=0, atol=1e-12)


def test_overlap_add_is_istft_up_to_the_sum_of_the_windows():
    window = torch.hann_window(64, dtype=torch.float64)
    spectrum = torch.fft.rfft(torch.randn(2, 20, 64, dtype=torch.float64))
    ours = OverlapAdd(window, hop=16)(torch.fft.irfft(spectrum, n=64)).squeeze(2)
    theirs = torch.istft(spectrum.transpose(1, 2), 64, hop_length=16, window=window, center=True)
    # istft drops half a window at both ends and divides by the sum of the squared windows, which is 1.5 here
    inner = slice(48, theirs.size(1) - 48)
    shifted = ours[:, : theirs.size(1)]
    offset = 48 - 32  # ours drops the first 48 samples of the span, istft the first 32
    torch.testing.assert_close(
        shifted[:, inner.start - offset : inner.stop - offset] / 1.5, theirs[:, inner], rtol=0, atol=1e-12
    )


def test_an_asymmetric_window_rises_slowly_and_falls_fast():
    window = asymmetric_window(64, 16)
    assert window.shape == (64,)
    torch.testing.assert_close(window[:48], torch.hann_window(96)[:48])
    torch.testing.assert_close(window[48:], torch.hann_window(32)[16:])
    torch.testing.assert_close(asymmetric_window(64, 32), torch.hann_window(64))


def test_the_hop_must_divide_the_window():
    with pytest.raises(ValueError, match="a window of 10 samples is not a multiple of the hop 4"):
        OverlapAdd(torch.ones(10), hop=4)

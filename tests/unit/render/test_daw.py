import numpy as np
import pytest

from after.midi import TempoChange
from render import daw
from render.daw import TICKS_PER_BEAT, Lane, mix_lanes, tempo_curve
from render.errors import RenderError
from render.tempo import TempoMap

RATE = 44100


def noise(seed, channels, length):
    return (np.random.default_rng(seed).standard_normal((channels, length)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("block_size", [64, 512, 777])
@pytest.mark.parametrize("length", [1, 65, 8193])
def test_the_mix_is_the_sum_sample_by_sample(block_size, length):
    mono, stereo = noise(0, 1, length), noise(1, 2, length + 100)
    mix = mix_lanes(
        [Lane("a", mono), Lane("b", stereo, gain_db=-6.0)],
        length,
        sample_rate=RATE,
        block_size=block_size,
    )
    assert mix.shape == (2, length)
    np.testing.assert_allclose(mix, mono + 10 ** (-6 / 20) * stereo[:, :length], atol=1e-6)


def test_one_lane_passes_bit_for_bit():
    mono = noise(2, 1, 5000)
    mix = mix_lanes([Lane("a", mono)], 6000, sample_rate=RATE)
    assert np.array_equal(mix[:, :5000], np.repeat(mono, 2, axis=0))
    assert not mix[:, 5000:].any()


def test_it_does_not_matter_where_pieces_begin(monkeypatch):
    lanes = [Lane("a", noise(3, 1, 9000)), Lane("b", noise(4, 2, 7000), gain_db=-3.0)]
    whole = mix_lanes(lanes, 9000, sample_rate=RATE)
    monkeypatch.setattr("render.large.PIECE_SAMPLES", 1000)
    assert np.array_equal(mix_lanes(lanes, 9000, sample_rate=RATE), whole)


def test_an_engine_that_stops_early_is_refused(monkeypatch):
    class Short:
        def load_graph(self, nodes):
            return True

        def render(self, seconds):
            return True

        def get_audio(self):
            return np.zeros((2, 2900))

    monkeypatch.setattr(daw, "make_engine", lambda *_, **__: Short())
    monkeypatch.setattr(daw, "_nodes", lambda *_: [])
    with pytest.raises(RenderError, match="100 samples before the end"):
        mix_lanes([Lane("a", noise(5, 1, 3000))], 3000, sample_rate=RATE)


def test_sixteen_lanes():
    lanes = [Lane(f"track {index}", noise(index, 1, 3000)) for index in range(16)]
    mix = mix_lanes(lanes, 3000, sample_rate=RATE)
    np.testing.assert_allclose(mix[0], sum(lane.audio[0] for lane in lanes), atol=1e-5)


def test_the_tempo_curve_steps_on_the_beat():
    tempo_map = TempoMap((TempoChange(0.0, 120.0, 0), TempoChange(2.0, 60.0, 1920)))
    curve = tempo_curve(tempo_map, 5.0)
    assert curve.dtype == np.float32
    assert len(curve) >= 7 * TICKS_PER_BEAT
    assert (curve[: 4 * TICKS_PER_BEAT] == 120.0).all()
    assert (curve[4 * TICKS_PER_BEAT :] == 60.0).all()

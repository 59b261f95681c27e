"""DawDreamer's own transport against our tempo map, and long renders at awkward sizes."""

import numpy as np
import pytest

from after.midi import TempoChange
from render.daw import Lane, make_engine, mix_lanes
from render.tempo import TempoMap

pytestmark = pytest.mark.host

RATE = 44100


def test_the_transport_reaches_each_beat_when_the_tempo_map_does():
    tempo_map = TempoMap((TempoChange(0.0, 120.0, 0), TempoChange(1.0, 60.0, 960), TempoChange(3.0, 180.0, 1920)))
    engine = make_engine(tempo_map, 6 * RATE, sample_rate=RATE, block_size=16)
    playback = engine.make_playback_processor("ones", np.ones((2, 6 * RATE), dtype=np.float32))
    mix = engine.make_add_processor("mix", [1.0])
    panner = engine.make_panner_processor("pan", "linear", 0.0)
    beat = 7.0  # in the third tempo
    ticks = 960
    curve = np.zeros(20 * ticks, dtype=np.float32)
    curve[int(beat * ticks) :] = 1.0
    assert panner.set_automation("pan", curve, ppqn=ticks)
    assert engine.load_graph([(playback, []), (mix, ["ones"]), (panner, ["mix"])])
    assert engine.render(6.0)
    left = np.array(engine.get_audio()[0])
    moved = np.flatnonzero(np.abs(left - left[RATE]) > 1e-3)  # the panner glides from there on
    del playback, mix, panner
    assert moved[0] / RATE == pytest.approx(tempo_map.seconds_at(beat), abs=0.003)


def test_three_minutes_of_sixteen_tracks_stay_aligned():
    length = 180 * RATE + 17
    lanes = []
    for index in range(16):
        audio = np.zeros((1, length), dtype=np.float32)
        audio[0, length - 1 - index * 1001] = 0.5
        lanes.append(Lane(f"track {index}", audio))
    mix = mix_lanes(lanes, length, sample_rate=RATE)
    assert np.flatnonzero(mix[0]).tolist() == sorted(length - 1 - index * 1001 for index in range(16))

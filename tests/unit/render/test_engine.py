import itertools

import numpy as np
import pytest

from after.audio import write_audio
from after.midi import Note
from render.effects import Effect, load_effects
from render.engine import RenderSettings, render_timeline
from render.errors import TimbreError
from render.tempo import TempoMap
from render.timeline import Clip, Timeline, Track

RATE = 44100


def track(name, timbre, *notes, **more):
    return Track(name, timbre, (Clip(tuple(notes)),), **more)


def clicks(*times_s):
    return track("clicks", "click", *(Note(time_s, 60, 127, 0.05) for time_s in times_s))


def positions(audio, above=0.2):
    return np.flatnonzero(np.abs(audio[0]) > above).tolist()


def test_one_track_without_effects_is_the_instruments_own_audio(instrument):
    notes = (Note(0.0, 60, 60, 0.3), Note(0.2, 64, 60, 0.3))
    result = render_timeline(Timeline((track("a", "flute", *notes),)), instrument, RenderSettings(seed=5, tail_s=2.0))
    instrument.set_timbre("flute")
    own = instrument.render(notes, 2.5, seed=5)
    assert result.sample_rate == RATE
    faded = round(0.05 * RATE)
    kept = result.audio.shape[-1] - faded
    assert kept > 0.5 * RATE
    assert np.array_equal(result.audio[0, :kept], own[0, :kept])
    assert np.array_equal(result.audio[0], result.audio[1])


@pytest.mark.parametrize("block_size", [64, 512, 1000])
def test_clicks_stand_on_their_samples(instrument, block_size):
    times_s = (0.0, 0.1, 0.777, 5.4321)
    result = render_timeline(Timeline((clicks(*times_s),)), instrument, RenderSettings(block_size=block_size))
    assert positions(result.audio) == [round(time_s * RATE) for time_s in times_s]


@pytest.mark.parametrize(
    "effects",
    [
        (Effect("BrickwallLimiter", (("lookahead_ms", 10.0),)),),
        (Effect("Compressor", (("threshold_db", 0.0),)),),
        (Effect("Delay", (("delay_seconds", 0.25), ("mix", 0.2))),),
        (Effect("PitchShift"), Effect("BrickwallLimiter")),
    ],
    ids=["limiter", "compressor", "delay", "shifter and limiter"],
)
@pytest.mark.parametrize("place", ["track", "master"])
def test_effects_with_look_ahead_keep_clicks_on_their_samples(instrument, effects, place):
    lane = clicks(0.1, 0.777)
    if place == "track":
        timeline = Timeline((Track("clicks", "click", lane.clips, effects=effects),))
    else:
        timeline = Timeline((lane,), effects=effects)
    result = render_timeline(timeline, instrument, RenderSettings(tail_s=0.5))
    assert positions(result.audio) == [4410, round(0.777 * RATE)]


def test_tracks_are_summed_with_their_gain(instrument):
    low, high = Note(0.0, 48, 60, 0.5), Note(0.0, 72, 60, 0.5)
    both = Timeline((track("a", "flute", low), track("b", "cello_solo", high, gain_db=-12.0)))
    mixed = render_timeline(both, instrument, RenderSettings(seed=3, tail_s=1.0)).audio
    instrument.set_timbre("flute")
    expected = instrument.render([low], 1.5, seed=3)[0]
    instrument.set_timbre("cello_solo")
    expected = expected + 10 ** (-12 / 20) * instrument.render([high], 1.5, seed=4)[0]
    length = int(0.5 * RATE)
    np.testing.assert_allclose(mixed[0, :length], expected[:length], atol=1e-5)


def test_each_track_has_its_own_timbre_and_seed(instrument):
    timeline = Timeline((track("a", "flute", Note(0.0, 60, 60, 0.1)), track("b", "trumpet", Note(0.0, 60, 60, 0.1))))
    render_timeline(timeline, instrument, RenderSettings(seed=10, attributes={"num_steps": 2}))
    assert [(timbre, seed) for timbre, seed, _, _ in instrument.performances] == [("flute", 10), ("trumpet", 11)]
    assert instrument.attributes == {"num_steps": 2}


def test_the_same_seed_gives_the_same_audio(instrument):
    timeline = Timeline((track("a", "flute", Note(0.0, 60, 60, 0.2)),), effects=load_effects("wide"))
    first, second, other = (
        render_timeline(timeline, instrument, RenderSettings(seed=seed, tail_s=0.5)).audio for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first[:, :1000], other[:, :1000])


def test_effects_ring_on_beyond_the_instruments_tail(instrument):
    delay = Effect("Delay", (("delay_seconds", 2.0), ("mix", 0.5), ("feedback", 0.3)))
    result = render_timeline(Timeline((clicks(0.0),), effects=(delay,)), instrument, RenderSettings(tail_s=0.2))
    heard = positions(result.audio, above=0.001)
    assert heard[:4] == [0, 2 * RATE, 4 * RATE, 6 * RATE]
    assert result.audio.shape[-1] - heard[-1] < 2.1 * RATE


def test_silence_after_the_tail_is_cut(instrument):
    result = render_timeline(Timeline((clicks(0.5),)), instrument, RenderSettings(tail_s=10.0))
    assert result.audio.shape[-1] == round(0.55 * RATE) + round(0.05 * RATE)


def test_a_mix_that_would_clip_is_scaled_with_a_remark(instrument):
    timeline = Timeline(tuple(track(f"t{index}", "trumpet", Note(0.0, 60, 127, 0.2)) for index in range(4)))
    result = render_timeline(timeline, instrument)
    assert np.abs(result.audio).max() == pytest.approx(10 ** (-0.3 / 20), rel=1e-5)
    assert "would" not in result.remarks[0]
    assert "scaled by" in result.remarks[0]


def test_a_timbre_is_taken_from_an_audio_file_at_any_rate(instrument, tmp_path):
    path = tmp_path / "voice.wav"
    write_audio(path, np.full((2, 48000), 0.25, dtype=np.float32), 48000, subtype="FLOAT")
    render_timeline(Timeline((track("a", str(path), Note(0.0, 60, 60, 0.1)),)), instrument)
    assert instrument.timbre == "audio"
    assert instrument.harmonics[0] == pytest.approx(0.25, rel=0.2)


def test_all_timbres_are_checked_before_anything_is_played(instrument):
    timeline = Timeline((track("a", "flute", Note(0.0, 60, 60, 0.1)), track("b", "lute", Note(0.0, 60, 60, 0.1))))
    with pytest.raises(TimbreError, match=r"did you mean flute\?"):
        render_timeline(timeline, instrument)
    assert instrument.performances == []


def test_progress_rises_to_one_over_all_tracks(instrument):
    timeline = Timeline(
        (
            track("first", "flute", Note(0.0, 60, 60, 0.1), Note(9.0, 60, 60, 0.1)),
            track("second", "trumpet", Note(1.0, 60, 60, 0.1)),
        )
    )
    seen = []
    render_timeline(timeline, instrument, progress=lambda name, fraction: seen.append((name, fraction)))
    fractions = [fraction for _, fraction in seen]
    assert all(before <= after for before, after in itertools.pairwise(fractions))
    assert fractions[-1] == pytest.approx(1.0)
    assert {name for name, _ in seen} == {"first", "second"}


def test_a_timeline_with_beats_places_notes_by_its_tempo_map(instrument):
    tempo_map = TempoMap()
    clip = Clip((Note(0.0, 60, 127, 0.05),), onset_s=tempo_map.seconds_at(3.0))
    result = render_timeline(Timeline((Track("a", "click", (clip,)),), tempo_map), instrument)
    assert positions(result.audio) == [round(1.5 * RATE)]

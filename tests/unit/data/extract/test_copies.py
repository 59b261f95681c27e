"""Transposed and stretched copies: in time to milliseconds, in tune, whole where segments meet, never clipped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from after.data.extract import copies
from after.data.extract.copies import Copy, CopySettings, CopyTask, copy_notes, draw_copy, make_copy, render_copy
from after.data.extract.stored_audio import ShippedAudio
from after.errors import ConfigError
from tests.unit.data.audio_folder import fundamental_hz
from tests.unit.data.extract.recordings import RATE, click, stored

CHUNK = 32 * 1024


def render(audio: NDArray[np.float64], copy: Copy, rate: int = RATE) -> NDArray[np.float64]:
    result = render_copy(stored(audio, CHUNK, rate), copy, Path("spool"))
    samples = np.fromfile("spool", "<i2")
    assert samples.size == result.num_samples == round(audio.size / copy.tempo)
    assert result.clipped_samples == 0
    peak = np.abs(samples.astype(int)).max() / 32_768
    assert result.peak_db == pytest.approx(20 * np.log10(peak) if peak else -120.0, abs=0.05 if peak > 0.01 else 3.0)
    return samples / 32_768.0


def clicks(duration_s: float, rate: int = RATE) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    audio = np.zeros(round(duration_s * rate))
    spacing = np.random.default_rng(5).integers(int(0.3 * rate), rate, size=int(3 * duration_s))
    places = np.cumsum(spacing)
    places = places[places < audio.size - rate // 4]
    for at in places:
        click(audio, int(at))
    return audio, places


def notes(duration_s: float, rate: int = RATE) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give notes with an attack of 5 ms, and where they begin."""
    rng = np.random.default_rng(6)
    audio, places = clicks(duration_s, rate)
    audio[:] = 0.0
    seconds = np.arange(rate // 4) / rate
    envelope = np.minimum(1, seconds / 0.005) * np.exp(-6 * seconds) * np.minimum(1, (0.25 - seconds) / 0.02)
    for at in places:
        hz = 110.0 * 2.0 ** (rng.integers(0, 24) / 12)
        tone = sum(np.sin(2 * np.pi * hz * k * seconds + 6 * rng.random()) / k for k in range(1, 8))
        audio[at : at + seconds.size] += (0.3 * envelope * tone)[: audio.size - at]
    return audio, places


def late_ms(
    original: NDArray[np.float64], copy: Copy, copied: NDArray[np.float64], places: NDArray[np.int64], rate: int
) -> NDArray[np.float64]:
    """Give how late the copy's events are, told by half the height of their envelopes."""
    smooth = scipy.signal.butter(2, 60, fs=rate, output="sos")

    def rises(audio: NDArray[np.float64], at: float) -> float:
        first = max(0, round(at - 0.06 * rate))
        envelope = scipy.signal.sosfiltfilt(smooth, audio[first : first + round(0.16 * rate)] ** 2)
        half = 0.5 * envelope.max()
        above = int(np.argmax(envelope > half))
        return first + above - (envelope[above] - half) / (envelope[above] - envelope[above - 1])

    late = [rises(copied, at / copy.tempo) - rises(original, at) / copy.tempo for at in places]
    return np.asarray(late) * 1000.0 / rate


@pytest.mark.parametrize("semitones", [-6, -1, 0, 3, 6])
@pytest.mark.parametrize("tempo", [0.8, 1.0, 1.25])
def test_notes_and_clicks_stay_in_time(tempo: float, semitones: int) -> None:
    copy = Copy(float(semitones), tempo)
    for (audio, places), bound_ms in ((notes(5.0), 3.0), (clicks(5.0), 5.0)):
        late = late_ms(audio, copy, render(audio, copy), places, RATE)
        assert abs(np.mean(late)) < bound_ms
        assert np.percentile(np.abs(late), 75) < bound_ms + 0.5


@pytest.mark.parametrize("rate", [22_050, 48_000, 96_000])
@pytest.mark.parametrize("copy", [Copy(4.0, 0.85), Copy(-4.0, 1.1)])
def test_other_rates_stay_in_time(rate: int, copy: Copy) -> None:
    audio, places = notes(4.0, rate)
    assert abs(np.mean(late_ms(audio, copy, render(audio, copy, rate), places, rate))) < 4.0


def test_time_does_not_drift_over_segments() -> None:
    copy = Copy(-3.0, 1.07)
    audio, places = notes(80.0)
    late = late_ms(audio, copy, render(audio, copy), places, RATE)
    assert np.percentile(np.abs(late), 95) < 5.0
    assert abs(np.polyfit(places / RATE, late, 1)[0]) < 0.01  # ms per second


@pytest.mark.parametrize("semitones", [-6, 5])
def test_it_is_in_tune(semitones: int) -> None:
    audio = 0.3 * np.sin(2 * np.pi * 440.0 * np.arange(2 * RATE) / RATE)
    found = fundamental_hz(render(audio, Copy(float(semitones), 1.1))[RATE // 2 : -RATE // 2], RATE)
    assert abs(1200 * np.log2(found / 440.0) - 100 * semitones) < 3


def test_seams_are_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A held tone has no quiet place, so two renderings with unlike phases are faded over into each other."""
    monkeypatch.setattr(copies, "_SEGMENT_S", 3.0)
    monkeypatch.setattr(copies, "_SEAM_SEARCH_S", 0.5)
    seconds = np.arange(20 * RATE) / RATE
    tone = 0.1 * sum(np.sin(2 * np.pi * hz * seconds) for hz in (220.0, 277.2, 331.1, 1_234.5))
    copied = render(tone, Copy(2.0, 0.9))
    level = np.sqrt(np.square(copied[RATE:-RATE].reshape(-1)[: 20 * RATE]).reshape(-1, RATE // 5).mean(axis=1))
    assert 20 * np.log10(level.min() / np.median(level)) > -1.5
    assert 20 * np.log10(level.max() / np.median(level)) < 1.5
    assert np.abs(np.diff(copied[RATE:-RATE])).max() < 0.3 * np.abs(copied).max()


def test_segments_meet_where_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_SEGMENT_S", 2.0)
    monkeypatch.setattr(copies, "_SEAM_SEARCH_S", 0.5)
    audio = np.random.default_rng(0).normal(0, 0.1, 7 * RATE)
    audio[round(2.3 * RATE) : round(2.36 * RATE)] = 0.0
    audio[round(3.9 * RATE) : round(3.96 * RATE)] = 0.0
    first, second, *_ = copies._seams(stored(audio, CHUNK))
    assert 2.3 < first / RATE < 2.36
    assert 3.9 < second / RATE < 3.96


def test_loud_copies_are_turned_down_as_a_whole() -> None:
    audio = 0.99 * np.sign(np.sin(2 * np.pi * 100 * np.arange(4 * RATE) / RATE)) * np.repeat([1.0, 0.25], 2 * RATE)
    copied = render(audio, Copy(5.0, 1.2))
    assert np.abs(copied).max() > 0.999
    loud, quiet = (np.abs(part[RATE // 4 : RATE]).mean() for part in np.array_split(copied, 2))
    assert loud / quiet == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("num_samples", [1, 500, CHUNK, 46 * RATE // 10])
def test_lengths_follow_the_tempo(num_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_SEGMENT_S", 3.0)  # the longest one has a seam
    monkeypatch.setattr(copies, "_SEAM_SEARCH_S", 0.2)
    for tempo in (0.8, 1.0, 1.25):
        render(np.random.default_rng(0).normal(0, 0.1, num_samples), Copy(1.0, tempo))
    assert not np.any(render(np.zeros(num_samples), Copy(1.0, 1.1)))


def test_a_draw_depends_on_nothing_else() -> None:
    settings = CopySettings(count=3)
    draws = [draw_copy(settings, 7, f"a/{index}.wav", number) for index in range(500) for number in range(2)]
    assert draws[:2] == [draw_copy(settings, 7, "a/0.wav", number) for number in range(2)]
    assert draw_copy(replace(settings, count=9), 7, "a/0.wav", 1) == draws[1]
    assert draw_copy(settings, 8, "a/0.wav", 1) != draws[1]
    semitones, tempos = np.array([[copy.semitones, copy.tempo] for copy in draws]).T
    assert set(semitones) == set(range(-6, 7))
    assert abs(semitones.mean()) < 0.5
    assert 0.8 <= tempos.min() < 0.81
    assert 1.24 < tempos.max() <= 1.25
    assert abs(np.log(tempos).mean()) < 0.02
    assert draw_copy(CopySettings(max_semitones=0, max_tempo=1.0), 0, "x", 0) == Copy(0.0, 1.0)


def test_notes_move_with_the_sound() -> None:
    rows = np.array([[0.0, 1.0, 60.0, 100.0], [2.5, 0.5, 125.0, 1.0], [5.0, 2.0, 0.0, 64.0]])
    np.testing.assert_allclose(copy_notes(rows, Copy(4.0, 1.25)), [[0.0, 0.8, 64.0, 100.0], [4.0, 1.6, 4.0, 64.0]])
    np.testing.assert_allclose(copy_notes(rows, Copy(-1.0, 0.5))[:, 2], [59.0, 124.0])
    assert copy_notes(np.zeros((0, 4)), Copy(1.0, 1.0)).shape == (0, 4)


def test_a_worker_makes_one() -> None:
    samples = np.random.default_rng(0).integers(-9_000, 9_000, 2 * CHUNK).astype(np.int16)
    audio = ShippedAudio(samples, 2 * CHUNK - 100, RATE, CHUNK)
    first = make_copy(CopyTask("x#1", audio, Copy(2.0, 1.1), Path("one")))
    assert first == make_copy(CopyTask("x#1", audio, Copy(2.0, 1.1), Path("two")))
    assert first.num_samples == round((2 * CHUNK - 100) / 1.1)
    assert Path("one").read_bytes() == Path("two").read_bytes()
    assert {path.name for path in Path().iterdir()} == {"one", "two"}


@pytest.mark.parametrize("given", [{"count": -1}, {"max_semitones": 13}, {"max_tempo": 0.9}])
def test_settings_out_of_range_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give"):
        CopySettings(**given)

import numpy as np
import pytest
import soundfile

from after.data.synthesis import PhraseSynthesizer, load_instruments
from after.errors import AudioError, InstrumentError
from after.midi import Note

SAMPLE_RATE = 44_100


@pytest.fixture
def plucked(plucked_folder):
    return PhraseSynthesizer(load_instruments(plucked_folder)["pluck"])


@pytest.fixture
def sustained(sustained_folder):
    return PhraseSynthesizer(load_instruments(sustained_folder)["pipe"])


def measure_hz(audio, near_hz):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 19))
    hz = np.fft.rfftfreq(1 << 19, 1 / SAMPLE_RATE)
    band = (hz > near_hz * 0.94) & (hz < near_hz * 1.06)
    return hz[band][np.argmax(spectrum[band])]


@pytest.mark.parametrize("pitch", [55, 57, 60, 62, 65, 69])
def test_pitch_is_in_tune_within_5_cents_although_the_recordings_are_30_cents_sharp(plucked, pitch):
    audio = plucked.render([Note(0.0, pitch, 90, 0.6)])[0]
    nominal_hz = 440 * 2 ** ((pitch - 69) / 12)
    measured_hz = measure_hz(audio[2000:24000], nominal_hz)
    assert abs(1200 * np.log2(measured_hz / nominal_hz)) < 5


@pytest.mark.parametrize("pitch", [55, 60, 67])
def test_sound_begins_at_the_onset_and_never_before(plucked, pitch):
    onset_s = 0.3
    audio = np.abs(plucked.render([Note(onset_s, pitch, 100, 0.5)])[0])
    begins = round(onset_s * SAMPLE_RATE)
    assert audio[:begins].max() == 0
    first = int(np.argmax(audio > 0.1 * audio.max()))
    assert 0 <= first - begins < 0.006 * SAMPLE_RATE


def test_level_rises_with_every_step_of_velocity_across_the_layers(plucked):
    levels = [
        10 * np.log10(np.mean(plucked.render([Note(0.0, 62, velocity, 0.3)])[0][:10_000] ** 2))
        for velocity in range(16, 128, 3)
    ]
    steps = np.diff(levels)
    assert steps.min() > 0.1
    assert steps.max() < 3.0
    assert 9 < levels[27] - levels[11] < 17  # about 12 dB from velocity 49 to 97


def test_note_longer_than_a_sustained_recording_is_held_in_tune_and_without_gaps(sustained):
    audio = sustained.render([Note(0.0, 64, 90, 5.0)])[0]
    held = audio[: 5 * SAMPLE_RATE]
    windows = held[: len(held) // 2205 * 2205].reshape(-1, 2205)
    levels_db = 10 * np.log10(np.mean(windows[2:-1] ** 2, axis=1))
    assert levels_db.max() - levels_db.min() < 2.0
    nominal_hz = 440 * 2 ** ((64 - 69) / 12)
    assert abs(1200 * np.log2(measure_hz(held[-22050:], nominal_hz) / nominal_hz)) < 5


def test_loop_does_not_depend_on_what_was_asked_before(sustained_folder):
    instrument = load_instruments(sustained_folder)["pipe"]
    fresh, used = PhraseSynthesizer(instrument), PhraseSynthesizer(instrument, cache_mib=0)
    for seconds in (9.0, 0.5, 2.0):
        used.render([Note(0.0, 64, 90, seconds)])
    note = [Note(0.0, 64, 90, 3.3)]
    assert np.array_equal(fresh.render(note), used.render(note))


def test_release_is_silent_soon_and_makes_no_click(sustained):
    audio = sustained.render([Note(0.0, 62, 100, 0.5)])[0]
    off = round(0.5 * SAMPLE_RATE)
    assert len(audio) - off < 0.13 * SAMPLE_RATE
    assert np.abs(audio[-10:]).max() < 1e-3
    steepest_held = np.abs(np.diff(audio[5_000:off])).max()
    assert np.abs(np.diff(audio[off - 100 :])).max() < 1.2 * steepest_held


def test_chord_is_the_sum_of_its_notes(plucked):
    low, high = Note(0.0, 57, 60, 0.4), Note(0.1, 64, 60, 0.4)
    both = plucked.render([low, high])[0]
    for note in (low, high):
        alone = plucked.render([note])[0]
        both[: len(alone)] -= alone
    assert np.abs(both).max() < 2e-4


def test_gain_and_clipping(plucked):
    note = [Note(0.0, 62, 100, 0.3)]
    quiet, loud = plucked.render(note), plucked.render(note, gain_db=6.0)
    assert np.abs(loud).max() / np.abs(quiet).max() == pytest.approx(10 ** (6 / 20), rel=1e-3)
    assert np.abs(plucked.render(note, gain_db=60.0)).max() == pytest.approx(0.99, abs=1e-3)


def test_range_ends_two_semitones_beyond_the_recordings(plucked):
    assert plucked.playable_pitches == frozenset(range(55, 70))
    with pytest.raises(InstrumentError, match=r"cannot play .*pitch=80.* 55-69"):
        plucked.render([Note(0.0, 80, 90, 0.5)])


def test_gap_wider_than_twelve_semitones_is_not_played(tmp_path):
    for pitch in (40, 60):
        soundfile.write(tmp_path / f"x_{pitch}_80.wav", np.sin(np.arange(9000) * 0.1), SAMPLE_RATE)
    pitches = PhraseSynthesizer(load_instruments(tmp_path)["x"]).playable_pitches
    assert pitches == frozenset([*range(38, 47), *range(54, 63)])


@pytest.mark.parametrize(("content", "message"), [(b"not audio", "cannot be read"), (None, "only silence")])
def test_bad_recording_is_named(tmp_path, content, message):
    path = tmp_path / "x_60_80.wav"
    if content is None:
        soundfile.write(path, np.zeros(1000), SAMPLE_RATE)
    else:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"x_60_80\.wav.*{message}"):
        PhraseSynthesizer(load_instruments(tmp_path)["x"])


def test_nothing_to_play_gives_no_samples(plucked):
    assert plucked.render([]).shape == (1, 0)

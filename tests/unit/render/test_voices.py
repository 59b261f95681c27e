import numpy as np
import pytest

from after.midi import Note
from render.voices import perform, set_attributes, split_phrases

RATE, HOP = 44100, 1024
PLACE = {"sample_rate": RATE, "hop_length": HOP, "total_samples": 60 * RATE}


def test_a_part_without_rests_is_one_phrase_from_the_start():
    notes = (Note(0.5, 60, 90, 1.0), Note(2.0, 62, 90, 1.0))
    (phrase,) = split_phrases(notes, 3.0, **PLACE)
    assert phrase.notes == notes
    assert (phrase.start_samples, phrase.num_samples) == (0, 6 * RATE)


def test_a_long_rest_starts_a_phrase_on_the_frame_grid():
    notes = (Note(0.0, 60, 90, 1.0), Note(20.0, 62, 90, 1.0))
    first, second = split_phrases(notes, 3.0, **PLACE)
    assert first.num_samples == 4 * RATE
    assert second.start_samples % HOP == 0
    assert 0 <= 20 * RATE - second.start_samples < HOP
    assert second.start_samples / RATE + second.notes[0].onset_s == pytest.approx(20.0, abs=1e-9)
    assert second.start_samples + second.num_samples == 24 * RATE


def test_a_note_held_over_a_rest_keeps_the_phrase_together():
    notes = (Note(0.0, 60, 90, 19.0), Note(1.0, 62, 90, 1.0), Note(20.0, 62, 90, 1.0))
    assert len(split_phrases(notes, 3.0, **PLACE)) == 1


def test_a_part_that_comes_in_late_skips_the_silence():
    (phrase,) = split_phrases((Note(30.0, 60, 90, 1.0),), 3.0, **PLACE)
    assert phrase.start_samples == 30 * RATE // HOP * HOP


def test_phrases_end_with_the_timeline():
    (phrase,) = split_phrases((Note(0.0, 60, 90, 1.0),), 3.0, sample_rate=RATE, hop_length=HOP, total_samples=2 * RATE)
    assert phrase.num_samples == 2 * RATE


def test_phrases_sound_where_the_notes_stand(instrument):
    notes = (Note(0.3, 60, 127, 0.1), Note(6.123, 60, 127, 0.1))
    total = 9 * RATE
    phrases = split_phrases(notes, 1.0, sample_rate=RATE, hop_length=HOP, total_samples=total)
    seconds = []
    audio = perform(instrument, phrases, "click", total, seed=4, progress=seconds.append)
    assert audio.shape == (1, total)
    assert np.flatnonzero(audio[0]).tolist() == [round(0.3 * RATE), round(6.123 * RATE)]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(sum(phrase.num_samples for phrase in phrases) / RATE)


def test_each_phrase_has_its_own_seed(instrument):
    notes = (Note(0.0, 60, 127, 0.1), Note(6.0, 60, 127, 0.1))
    phrases = split_phrases(notes, 0.5, sample_rate=RATE, hop_length=HOP, total_samples=8 * RATE)
    perform(instrument, phrases, "flute", 8 * RATE, seed=4)
    seeds = [seed for _, seed, _, _ in instrument.performances]
    assert seeds[0] == 4
    assert seeds[1] != 4


def test_an_instrument_that_gives_too_little_leaves_silence(instrument):
    class Short(type(instrument)):
        def render(self, *arguments, **named):
            return super().render(*arguments, **named)[:, :-7]

    phrases = split_phrases((Note(0.0, 60, 90, 0.1),), 0.5, sample_rate=RATE, hop_length=HOP, total_samples=RATE)
    audio = perform(Short(), phrases, "flute", RATE)
    assert audio.shape == (1, RATE)


def test_only_given_attributes_are_set(instrument):
    set_attributes(instrument, {"num_steps": 4, "temperature": None})
    assert instrument.attributes == {"num_steps": 4}

"""The page of a check holds what can be seen and heard, whatever is wrong with the audio."""

import numpy as np
import pytest

from render.golden.compare import Sound, compare_audio
from render.golden.page import MOST_GAIN_DB, build_page, build_section, make_audible
from render.golden.picture import draw_comparison, spectrograms_db
from render.golden.run import Outcome

RATE = 44100


def tone(level: float = 0.1, length: int = RATE // 2, channels: int = 2) -> np.ndarray:
    return level * np.sin(2 * np.pi * 440.0 * np.arange(length) / RATE)[None].repeat(channels, axis=0)


def section(reference: Sound, render: Sound) -> str:
    return build_section("a<b", Outcome(render, reference, compare_audio(reference, render)))


@pytest.mark.parametrize(
    ("render", "players"),
    [
        (Sound(tone(), RATE), 2),
        (Sound(tone(length=777), RATE), 2),
        (Sound(np.where(np.arange(RATE // 2) == 9, np.nan, tone()), RATE), 3),
        (Sound(tone(), 48000), 2),
        (Sound(np.zeros((2, RATE // 2)), RATE), 3),
        (Sound(np.zeros((2, 0)), RATE), 0),
    ],
)
def test_a_case_can_be_heard(render: Sound, players: int) -> None:
    text = section(Sound(tone(), RATE), render)
    assert text.count("<audio") == players
    assert text.count("<img") == (players > 0)
    assert "<h2>a&lt;b</h2>" in text


def test_a_page_says_which_failed() -> None:
    page = build_page("x&y.toml", [("a", "FAILED", *"-" * 6), ("b", "ok", *"-" * 6)], [build_section("c", None)])
    assert "x&amp;y.toml" in page
    assert page.count('class="wrong"') == 1
    assert "There is no reference." in page


def test_a_difference_is_made_as_loud_as_the_reference() -> None:
    audible, gain_db = make_audible(tone(0.001), tone(0.1))
    assert gain_db == pytest.approx(40.0)
    assert np.abs(audible).max() == pytest.approx(0.1, rel=1e-3)
    assert make_audible(tone(1e-9), tone())[1] == MOST_GAIN_DB
    assert make_audible(tone() * 0, tone())[1] is None


def test_both_spectrograms_have_one_scale() -> None:
    loud, soft = spectrograms_db(tone(0.1)[0], RATE, tone(0.01)[0], RATE)
    assert loud.shape == soft.shape
    assert loud.max() == pytest.approx(0.0, abs=0.1)
    assert soft.max() == pytest.approx(-20.0, abs=0.1)


def test_a_picture_is_drawn_of_the_shortest_and_of_what_comes_late() -> None:
    one = Sound(np.array([[0.5]]), RATE)
    assert draw_comparison(one, one, 0).startswith(b"\x89PNG")
    late = Sound(np.roll(tone(), 100, axis=1), RATE)
    assert draw_comparison(Sound(tone(), RATE), late, 100).startswith(b"\x89PNG")

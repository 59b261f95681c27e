import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from after.evaluation.bootstrap import Interval
from after.evaluation.figures import Confusion, Figure
from after.evaluation.likeness import Likeness
from after.evaluation.media import EXAMPLE_S, draw_matrix, make_example
from after.evaluation.page import build_page
from after.evaluation.performance import Performance
from after.evaluation.pitch_accuracy import PitchAccuracy
from after.evaluation.report import Classifier, Outcome
from after.evaluation.transfer import Pair, Transfer
from after.evaluation.trials import Trial
from tests.signals import sine

NOTHING = float("nan")
VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Finds tags that are not closed in order, and every address."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.tags, self.faults = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.fixture(scope="module")
def page():
    silent = PitchAccuracy(NOTHING, NOTHING, NOTHING, NOTHING, 0)
    performance = Performance(
        pitch=silent, notes=None, velocity_correlation=NOTHING, rests_db=NOTHING, level_db=0.0, peak=0.0
    )
    trial = Trial(
        phrase="<b>&", timbre="a", performance=performance, likeness=Likeness((), (), NOTHING), real=None,
        realtime_factor=NOTHING,
    )  # fmt: skip
    outcome = Outcome(
        settings={"instrument": "x<y"},
        trials=[trial] * 2,
        figures={"onset_f1": Figure(Interval(0.5, 0.4, 0.6, 2))},
        classifier=Classifier(num_instruments=2, num_recordings=9, cross_validated_accuracy=Interval(1.0, 1.0, 1.0, 9)),
        confusion=Confusion(("a",), ("a", "b"), np.array([[1, 1]])),
        transfer=Transfer(("a", "b"), (Pair("a", "b", "p", 0, 0.5, "b"),)),
    )
    tone = sine(440.0, 30.0)
    return build_page(outcome, [make_example("<b>&", tone, tone, 44100), make_example("alone", tone, None, 44100)])


def test_page_is_well_formed_and_needs_nothing_else(page):
    checker = Checker()
    checker.feed(page)
    assert page.startswith("<!DOCTYPE html>")
    assert (checker.open, checker.faults) == ([], [])
    assert "script" not in checker.tags
    assert "b" not in checker.tags  # names are escaped
    assert all(address.startswith("data:") for address in checker.addresses)
    assert "http" not in page
    assert (checker.tags.count("audio"), checker.tags.count("img")) == (3, 5)


def test_examples_are_short_and_small(page):
    sounds = re.findall(r'src="data:audio/ogg;base64,([^"]+)"', page)
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[0])))
    assert audio.size / rate == pytest.approx(EXAMPLE_S, abs=0.01)
    assert np.sqrt(2 * np.mean(audio**2)) == pytest.approx(0.5, rel=0.05)
    assert len(page) < 2e6


def test_matrix_with_gaps():
    picture = draw_matrix(np.array([[1.0, np.nan]]), ["a"], ["b", "c"], row_label="r", column_label="c")
    assert picture[:4] == b"\x89PNG"

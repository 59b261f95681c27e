"""The instrument that comes with the package: it streams, plays the right notes, and its timbres differ."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from after.audio import read_audio
from after.cli import group
from after.evaluation.bench import compare_stream
from after.evaluation.centroids import load_bundled_centroids
from after.features.mfcc import mfcc_statistics
from after.features.pitch import track_pitch
from after.instrument import BUNDLED, Instrument
from after.midi import Note, write_midi

pytestmark = pytest.mark.skipif(not BUNDLED.is_file(), reason="no instrument is bundled")

LINE = [Note(1.0, 60, 100, 0.8), Note(2.0, 67, 100, 0.8)]
MEGABYTES = 30


@pytest.fixture(scope="module")
def instrument() -> Instrument:
    return Instrument.load()


def render(*arguments: object):
    result = CliRunner().invoke(group, ["render", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def test_it_is_small_and_says_where_it_comes_from(instrument: Instrument) -> None:
    assert BUNDLED.stat().st_size < MEGABYTES * 1e6
    description = instrument.manifest["description"]
    assert len(instrument.timbres) >= 12
    assert {"violin", "flute", "piano"} <= set(instrument.timbres)
    assert set(description["credits"]) == set(instrument.timbres)
    assert all(description["credits"].values())
    assert description["license"]


def test_it_streams_exactly(instrument: Instrument) -> None:
    errors = compare_stream(instrument, (1024, 2048, 8192), 1.5)
    assert max(errors.values()) <= 1e-4


def test_a_line_sounds_where_its_notes_are_and_repeats_with_its_seed() -> None:
    write_midi("line.mid", LINE)
    for out in ("a.wav", "b.wav"):
        render("line.mid", "--timbre", "violin", "-o", out, "--seed", 7, "--tail-seconds", 1)
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()
    audio, rate = read_audio("a.wav", mono=True)
    level = [float(np.sqrt(np.mean(audio[0, int(s * rate) : int((s + 0.5) * rate)] ** 2))) for s in (0.2, 1.1, 2.1)]
    assert min(level[1:]) > 10 * max(level[0], 1e-5)


@pytest.mark.parametrize("timbre", ["violin", "flute"])
def test_notes_have_their_pitch(instrument: Instrument, timbre: str) -> None:
    instrument.set_timbre(timbre)
    audio = instrument.render(LINE, 3.0, seed=1)
    track = track_pitch(audio, instrument.sample_rate, hop_length=441)
    for note in LINE:
        inside = (track.times_s > note.onset_s + 0.15) & (track.times_s < note.end_s - 0.1) & track.is_voiced()
        assert inside.any()
        assert abs(np.median(track.pitch[inside]) - note.pitch) < 0.5


def test_timbres_differ(instrument: Instrument) -> None:
    references = load_bundled_centroids()
    assert references is not None
    statistics = []
    for timbre in ("violin", "piano"):
        instrument.set_timbre(timbre)
        statistics.append(mfcc_statistics(instrument.render(LINE, 3.0, seed=1), instrument.sample_rate))
    # in units of how much recordings of one instrument differ among themselves
    assert np.sqrt(np.mean(((statistics[0] - statistics[1]) / references.scale) ** 2)) > 0.5

"""The picture of a store: where notes and pitch lie on it, which chunks it shows, and that it is drawn."""

import stat
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from after.data.inspection.captions import caption
from after.data.inspection.charts import draw_groups, draw_pitches, largest_groups
from after.data.inspection.examples import choose_examples, read_example
from after.data.inspection.mel_picture import MelScale, mel_image, note_boxes, pitch_line
from after.data.inspection.sheet import draw_example, draw_sheet
from after.data.inspection.summary import summarize
from after.data.store import Store
from tests.unit.data.stores import CHUNK_SAMPLES, HOP_LENGTH, SAMPLE_RATE, add, add_feature, write_manifest

SCALE = MelScale(SAMPLE_RATE)
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE
NUM_FRAMES = CHUNK_SAMPLES // HOP_LENGTH
PITCH_SETTINGS = {"hop_length": HOP_LENGTH, "voicing": 0.6}


def pitch_curve() -> np.ndarray:
    """220 Hz, voiced in the second half."""
    periodicity = np.where(np.arange(NUM_FRAMES) < NUM_FRAMES // 2, 0.59, 0.6)
    return np.stack([np.full(NUM_FRAMES, 220.0), periodicity]).astype(np.float32)


def axes() -> object:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot()


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("hz", [110.0, 440.0, 1760.0, 3520.0])
def test_a_note_lies_where_its_sound_is(hz: float, sample_rate: int) -> None:
    scale = MelScale(sample_rate)
    tone = np.sin(2 * np.pi * hz * np.arange(sample_rate) / sample_rate).astype(np.float32)
    levels_db = mel_image(tone, scale).levels_db
    loudest = np.argmax(levels_db[:, levels_db.shape[1] // 2])
    assert abs(scale.rows_of(hz) - loudest) <= 1.0
    pitch = 69 + 12 * np.log2(hz / 440)
    np.testing.assert_allclose(scale.rows_of_pitches(pitch), scale.rows_of(hz))


def test_every_band_hears_something() -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    for sample_rate in (8_000, 11_025, 44_100, 192_000):
        assert mel_image(noise, MelScale(sample_rate)).levels_db.mean(axis=1).min() > -40


@pytest.mark.parametrize("num_samples", [1, 65, 8193, 1_000_000])
def test_an_image_covers_the_audio_and_is_no_wider_than_the_picture(num_samples: int) -> None:
    image = mel_image(np.zeros(num_samples, dtype=np.float32), SCALE)
    assert image.levels_db.shape[1] <= 600
    assert 0 <= image.duration_s - num_samples / SAMPLE_RATE < 0.1
    assert np.isfinite(image.levels_db).all()


def test_notes_are_boxes_cut_at_the_ends() -> None:
    notes = [
        (0.5, 1.0, 69, 100),  # inside
        (-0.5, 1.0, 60, 100),  # began before
        (1.5, 9.0, 60, 100),  # goes on
        (-2.0, 1.0, 60, 100),  # over before
        (2.5, 1.0, 60, 100),  # comes after
        (1.0, 0.0, 60, 100),  # of no length
        (0.0, 1.0, 21, 100),  # so low that a semitone could not be seen
        (0.0, 1.0, 107, 100),  # so high that it can
    ]
    boxes = note_boxes(np.array(notes, dtype=np.float32), CHUNK_S, SCALE)
    expected = [(0.5, 1.0), (0.0, 0.5), (1.5, 0.5), (1.0, 0.02), (0.0, 1.0), (0.0, 1.0)]
    np.testing.assert_allclose(boxes[:, [0, 2]], expected, atol=1e-6)
    edges_hz = 440.0 * 2.0 ** ((np.array([106.5, 107.5]) - 69) / 12)
    # By hand: 128 bands up to 5 kHz are 129 steps of 2363.46584 / 129 mel.
    rows = 2595 * np.log10(1 + edges_hz / 700) / (2363.46584 / 129) - 1
    np.testing.assert_allclose([boxes[5, 1], boxes[5, 1] + boxes[5, 3]], rows, atol=1e-3)
    np.testing.assert_allclose(boxes[:5, 3], 3.0)
    assert boxes[4, 1] + 1.5 == pytest.approx(float(SCALE.rows_of(27.5)), abs=0.02)
    assert note_boxes(np.zeros((0, 4), dtype=np.float32), CHUNK_S, SCALE).shape == (0, 4)


def test_pitch_is_drawn_where_it_is_voiced() -> None:
    times_s, rows = pitch_line(pitch_curve(), SCALE, hop_length=HOP_LENGTH, voicing=0.6, duration_s=1.5)
    np.testing.assert_allclose(times_s, (np.arange(75) + 0.5) * HOP_LENGTH / SAMPLE_RATE)
    assert np.isnan(rows[:50]).all()
    np.testing.assert_allclose(rows[50:], SCALE.rows_of(220.0))


def test_a_stored_periodicity_equal_to_the_threshold_counts_as_voiced() -> None:
    pitch = np.array([[220.0, 220.0], [0.7, 0.69]], dtype=np.float32)
    _, rows = pitch_line(pitch, SCALE, hop_length=HOP_LENGTH, voicing=0.7, duration_s=1.0)
    assert np.isfinite(rows).tolist() == [True, False]


def test_examples_come_from_different_groups_and_recordings() -> None:
    with Store.open("store", "a") as store:
        for group in "abcdefgh":
            add(store, f"set/{group}/long.wav", num_samples=5 * CHUNK_SAMPLES)
        add(store, "set/a/copy.wav", kind="copy")
        add(store, "set/silence/x.wav", kind="silence")
        chosen = choose_examples(store.sources(), 6)
        assert [record.group for record, _ in chosen] == ["a", "b", "c", "e", "f", "g"]
        assert {index for _, index in chosen} == {2}
        assert choose_examples(store.sources()[::-1], 6) == chosen


def test_few_recordings_give_more_chunks_each() -> None:
    with Store.open("store", "a") as store:
        add(store, "set/a/1.wav", num_samples=2 * CHUNK_SAMPLES)
        add(store, "set/a/2.wav", num_samples=3 * CHUNK_SAMPLES)
        add(store, "set/b/1.wav")
        chosen = [(record.source, index) for record, index in choose_examples(store.sources(), 5)]
        assert len(set(chosen)) == 5
        assert {source for source, _ in chosen} == {"set/a/1.wav", "set/a/2.wav", "set/b/1.wav"}
        assert {("set/a/1.wav", 0), ("set/a/2.wav", 1), ("set/b/1.wav", 0)} <= set(chosen)
        assert len(choose_examples(store.sources(), 60)) == 6
        assert choose_examples([], 6) == []


def test_an_example_has_midi_notes_or_else_transcribed_ones() -> None:
    played, heard = [(0.0, 1.0, 60, 100)], np.array([[0.0, 1.0, 72, 90]], dtype=np.float32)
    with Store.open("store", "a") as store:
        write_manifest(store)
        both = add(store, "set/a/1.wav", notes=played, num_samples=CHUNK_SAMPLES * 3 // 2)
        resting = add(store, "set/a/2.wav", notes=[])
        without = add(store, "set/a/3.wav")
        for record in (both, resting, without):
            add_feature(store, record, "transcribed_notes", heard)
        add_feature(store, both, "pitch", pitch_curve(), settings=PITCH_SETTINGS)
        examples = [read_example(store, record, record.num_chunks - 1) for record in (both, resting, without)]
        store.features.forget([both], "pitch")
        assert read_example(store, both, 0).pitch is None
    assert [example.notes[:, 2].tolist() for example in examples] == [[60], [], [72]]
    assert (examples[0].start_s, examples[0].mono.size) == (CHUNK_S, CHUNK_SAMPLES // 2)
    assert examples[1].pitch is None
    assert examples[0].pitch is not None
    np.testing.assert_array_equal(examples[0].pitch[0], pitch_curve())


def test_what_is_drawn_of_an_example() -> None:
    with Store.open("store", "a") as store:
        write_manifest(store)
        record = add(store, "set/piano/a.wav", notes=[(0.5, 1.0, 57, 100)])
        add_feature(store, record, "pitch", pitch_curve(), settings=PITCH_SETTINGS)
        example = read_example(store, record, 0)
    drawn = axes()
    draw_example(drawn, example, SCALE)
    (path,) = drawn.collections[0].get_paths()
    extents = path.get_extents()
    assert (extents.x0, extents.x1) == pytest.approx((0.5, 1.5))
    assert extents.y0 < SCALE.rows_of(220.0) < extents.y1
    (line,) = drawn.lines
    assert np.isnan(line.get_ydata()).sum() == NUM_FRAMES // 2
    assert drawn.get_xlim() == (0.0, CHUNK_S)
    assert drawn.get_title(loc="left") == "piano\nset/piano/a.wav, from 0.0 s"


def test_the_largest_groups_and_the_rest() -> None:
    groups = {
        f"g{index}": {"train": {"hours": float(index)}, "validation": {"hours": 0.5 * (index == 1)}}
        for index in range(5)
    }
    bars = largest_groups(groups, 3)
    assert bars == [("g4", 4.0, 0.0), ("g3", 3.0, 0.0), ("g2", 2.0, 0.0), ("2 others: 1.50 h", 1.0, 0.5)]
    assert len(largest_groups(groups, 5)) == 5
    drawn = axes()
    draw_groups(drawn, groups)
    assert [bar.get_height() for bar in drawn.patches] == [4, 3, 2, 1, 0, 0, 0, 0, 0.5, 0]
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["g4", "g3", "g2", "g1", "g0"]


def test_pitches_are_shares_of_their_own_kind() -> None:
    drawn = axes()
    summary = {
        "pitch_histogram": [0] * 60 + [3, 0, 1] + [0] * 65,
        "histograms": {"pitch": {"60": 900, "61": 100}, "transcribed_pitch": {}},
    }
    draw_pitches(drawn, summary)
    notes, f0 = (patch.get_data() for patch in drawn.patches)
    assert (notes.values.tolist(), notes.edges.tolist()) == ([75, 0, 25], [59.5, 60.5, 61.5, 62.5])
    assert (f0.values.tolist(), f0.edges.tolist()) == ([90, 10], [59.5, 60.5, 61.5])
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == ["notes", "voiced frames (f0)"]


def test_names_become_captions() -> None:
    assert caption("set/piano/a.wav", 20) == "set/piano/a.wav"
    assert caption("instrument number 17", 11) == "inst...r 17"
    assert caption("pi\udce4no\n", 30) == "pi\\udce4no\\n"
    assert caption("$x$", 30) == r"\$x\$"


def draw(path: str, store: Store) -> np.ndarray:
    write_manifest(store)
    draw_sheet(path, store, summarize(store, store.sources(), SAMPLE_RATE))
    return imread(path)


def is_blank(image: np.ndarray) -> bool:
    return bool((image == image[0, 0]).all())


def test_the_sheet_shows_charts_and_examples() -> None:
    with Store.open("store", "a") as store:
        for group in range(6):
            record = add(store, f"set/{group}/a.wav", notes=[(0.0, 1.0, 57, 100)])
            counts = {"pitch": {57: 50}, "voicing": {0: 50, 1: 50}}
            add_feature(store, record, "pitch", pitch_curve(), settings=PITCH_SETTINGS, counts=counts)
            add_feature(store, record, "loudness", np.zeros(NUM_FRAMES), counts={"loudness_db": {-9: 100}})
        image = draw("sheet.png", store)
    assert image.shape == (1200, 1600, 4)
    for top, bottom in ((30, 240), (570, 830), (880, 1140)):
        for left in (80, 600, 1120):
            assert not is_blank(image[top:bottom, left : left + 400]), (top, left)
    assert stat.S_IMODE(Path("sheet.png").stat().st_mode) == 0o644
    assert [path.name for path in Path().iterdir() if "sheet" in path.name] == ["sheet.png"]


@pytest.mark.parametrize("names", [[], ["set/a/1.wav"], ["set/pi\udce4no 笛\n$a$/1.wav", "set/_b/$.wav"]])
def test_poor_stores_and_odd_names_are_drawn(names: list[str]) -> None:
    with Store.open("store", "a") as store:
        for name in names:
            add(store, name, num_samples=CHUNK_SAMPLES // 8)
        assert draw("sheet.png", store).shape == (1200, 1600, 4)


def test_the_same_store_gives_the_same_picture() -> None:
    with Store.open("store", "a") as store:
        add(store, "set/a/1.wav", notes=[(0.0, 1.0, 57, 100)])
        np.testing.assert_array_equal(draw("one.png", store), draw("two.png", store))

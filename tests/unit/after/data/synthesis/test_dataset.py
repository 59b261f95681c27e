import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest

from after.audio import read_audio
from after.data.synthesis import load_instruments
from after.data.synthesis.dataset import Plan, synthesize
from after.data.synthesis.library import load_midi_library
from after.data.synthesis.settings import HoldOut, PhraseSettings, Recipe, load_recipe
from after.errors import AudioError, ConfigError, DataError
from after.midi import read_midi


@pytest.fixture
def plan(tmp_path, plucked_folder, midi_folder):
    return Plan(
        out=tmp_path / "out",
        recipe=Recipe(phrases=PhraseSettings(seconds=2.0)),
        instruments=load_instruments(plucked_folder),
        library=load_midi_library([midi_folder]),
        phrases=3,
    )


def digests(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_files_whatever_the_number_of_processes(plan, tmp_path):
    synthesize(plan)
    other = replace(plan, out=tmp_path / "other")
    summary = synthesize(other, workers=2)
    assert digests(plan.out) == digests(other.out)
    assert len(digests(plan.out)) == 7
    assert (summary.made, summary.kept) == (3, 0)


def test_run_continues_where_it_was_stopped(plan):
    synthesize(plan)
    before = digests(plan.out)
    (plan.out / "pluck" / "pluck_00001.mid").unlink()
    os.utime(plan.out / "pluck" / "pluck_00000.flac", (1, 1))
    summary = synthesize(plan)
    assert (summary.made, summary.kept) == (1, 2)
    assert digests(plan.out) == before
    assert (plan.out / "pluck" / "pluck_00000.flac").stat().st_mtime == 1


def test_set_can_grow_but_not_change(plan):
    synthesize(plan)
    assert synthesize(replace(plan, phrases=4)).made == 1
    with pytest.raises(DataError, match="other seed"):
        synthesize(replace(plan, seed=1))


def test_midi_beside_the_audio_says_what_is_heard(plan):
    synthesize(plan)
    for index in range(plan.phrases):
        audio_path, midi_path = plan.files("pluck", index)
        audio, sample_rate = read_audio(audio_path)
        notes = read_midi(midi_path).notes
        first = int(np.argmax(np.abs(audio[0]) > 0.1 * np.abs(audio[0]).max() * 0.2)) / sample_rate
        assert abs(first - notes[0].onset_s) < 0.012
        assert audio.shape[1] / sample_rate > max(note.end_s for note in notes) - 1e-3
        assert np.abs(audio).max() < 1.0


def test_held_out_pitch_class_is_neither_played_nor_read(plan):
    hold_out = HoldOut(pitch_class=62 % 12, instruments=("pluck",))
    plan = replace(plan, recipe=replace(plan.recipe, hold_out=hold_out))
    next(path for path in (sample.path for sample in plan.instruments["pluck"].samples) if "m062" in path.name).unlink()
    synthesize(plan)
    pitches = {note.pitch % 12 for i in range(3) for note in read_midi(plan.files("pluck", i)[1]).notes}
    assert pitches
    assert 62 % 12 not in pitches


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_recording_stops_the_run_with_its_name(plan, workers):
    plan.instruments["pluck"].samples[0].path.write_bytes(b"garbage")
    with pytest.raises(AudioError, match=r"pluck_m057_x_l_v048\.wav"):
        synthesize(plan, workers=workers)
    assert not list(plan.out.rglob("*.part"))


def test_description_counts_and_credits(plan):
    summary = synthesize(plan)
    description = json.loads((plan.out / "dataset.json").read_text())
    pluck = description["instruments"]["pluck"]
    assert pluck["phrases"] == 3
    assert pluck["seconds"] == pytest.approx(summary.audio_s, abs=0.01)
    assert pluck["credits"] == [{"source": "test", "licence": "CC0-1.0"}]
    assert description["seed"] == 0


def test_bundled_recipe_loads():
    recipe = load_recipe("synthesis")
    assert recipe.hold_out.pitch_class == 5
    assert set(recipe.hold_out.instruments) <= set(recipe.instruments)
    with pytest.raises(ConfigError, match="bundled recipes: synthesis"):
        load_recipe("nothing")


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (PhraseSettings, {"seconds": 0.5}),
        (PhraseSettings, {"synthetic_share": 2.0}),
        (PhraseSettings, {"slowest": 2.0, "fastest": 1.0}),
        (PhraseSettings, {"softest": 0}),
        (PhraseSettings, {"max_polyphony": 0}),
        (HoldOut, {"pitch_class": 12}),
        (HoldOut, {"midi_rows_modulo": -1}),
    ],
)
def test_settings_out_of_range_are_refused(cls, values):
    with pytest.raises(ConfigError):
        cls(**values)

"""Renders of the engine: the same again passes, and any change of what is asked for is found."""

from dataclasses import replace
from pathlib import Path

import pytest

from after.instrument import BUNDLED
from after.midi import write_midi
from render.engine import RenderSettings
from render.golden.compare import Comparison, Sound, compare_audio
from render.job import Job, load_instrument, prepare_job, render_job
from tests.additive_instrument import AdditiveInstrument
from tests.unit.render.golden.conftest import NOTES

REVERB = '[[effect]]\nplugin = "Reverb"\nroom_size = 0.2\ndamping = {}\nwet_level = {}\ndry_level = 0.5\n'


def render(job: Job, load=lambda _: AdditiveInstrument()) -> Sound:
    result = render_job(prepare_job(job, load))
    return Sound(result.audio, result.sample_rate)


def failed(comparison: Comparison) -> set[str]:
    return {check.name for check in comparison.checks if not check.has_passed}


@pytest.fixture
def job(folder: Path) -> Job:
    return Job(source=folder / "melody.mid", timbre="flute", settings=RenderSettings(tail_s=0.5))


def test_the_same_again_passes(job: Job) -> None:
    comparison = compare_audio(render(job), render(job))
    assert comparison.has_passed
    assert comparison.checks[-1].figure == "under -200 dB"


@pytest.mark.parametrize(("index", "step"), [(0, 1), (11, -1), (23, 1)])
def test_one_wrong_note_among_24_is_found(job: Job, folder: Path, index: int, step: int) -> None:
    wrong = list(NOTES)
    wrong[index] = replace(wrong[index], pitch=wrong[index].pitch + step)
    write_midi(folder / "wrong.mid", wrong)
    found = compare_audio(render(job), render(replace(job, source=folder / "wrong.mid")))
    assert {"residual", "spectral"} <= failed(found)


def test_a_note_played_a_little_louder_is_found(job: Job, folder: Path) -> None:
    louder = list(NOTES)
    louder[11] = replace(louder[11], velocity=louder[11].velocity + 2)
    write_midi(folder / "louder.mid", louder)
    assert failed(compare_audio(render(job), render(replace(job, source=folder / "louder.mid"))))


def test_another_seed_is_found(job: Job) -> None:
    other = replace(job, settings=replace(job.settings, seed=1))
    assert "residual" in failed(compare_audio(render(job), render(other)))


@pytest.mark.parametrize(("damping", "wet"), [(0.6, 0.085), (0.7, 0.08), (0.5, 0.08)])
def test_a_changed_parameter_of_an_effect_is_found(job: Job, folder: Path, damping: float, wet: float) -> None:
    first, second = folder / "first.toml", folder / "second.toml"
    first.write_text(REVERB.format(0.6, 0.08))
    second.write_text(REVERB.format(damping, wet))
    reference = render(replace(job, effects=str(first)))
    assert compare_audio(reference, render(replace(job, effects=str(first)))).has_passed
    assert "spectral" in failed(compare_audio(reference, render(replace(job, effects=str(second)))))


@pytest.mark.skipif(not BUNDLED.is_file(), reason="no instrument is bundled")
def test_the_bundled_instrument_repeats_itself_and_another_seed_is_found(job: Job) -> None:
    one_step = replace(job, settings=replace(job.settings, tail_s=0.2, attributes={"num_steps": 1}))
    first = render(one_step, load_instrument)
    assert compare_audio(first, render(one_step, load_instrument)).has_passed
    other = replace(one_step, settings=replace(one_step.settings, seed=1))
    assert {"residual", "spectral"} <= failed(compare_audio(first, render(other, load_instrument)))

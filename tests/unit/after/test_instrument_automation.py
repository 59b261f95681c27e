"""Timbre and attributes that change while an instrument renders."""

from pathlib import Path

import numpy as np
import pytest
import torch

from after.conditioning.roll import piano_roll
from after.errors import InstrumentError
from after.instrument import Automation, Instrument
from after.midi import Note
from tests.tiny_instrument import HOP, RATE

NOTES = [Note(0.02, 60, 100, 0.1), Note(0.05, 64, 50, 0.2), Note(0.13, 60, 127, 0.05), Note(0.3, 72, 30, 0.01)]
DURATION_S = 0.4


@pytest.fixture(params=["safetensors", "ts"])
def instrument(request: pytest.FixtureRequest) -> Instrument:
    return Instrument.load(request.getfixturevalue({"safetensors": "tiny_file", "ts": "tiny_export"}[request.param]))


def path_between(instrument: Instrument, num_frames: int) -> np.ndarray:
    ends = []
    for name in ("bright", "dark"):
        instrument.set_timbre(name)
        ends.append(instrument.timbre)
    share = np.linspace(0, 1, num_frames, dtype=np.float32)[:, None]
    return (1 - share) * ends[0] + share * ends[1]


def test_a_morph_is_what_model_and_codec_compute(instrument: Instrument, tiny) -> None:  # type: ignore[no-untyped-def]
    """The oracle generates all frames at once, each with its own timbre."""
    path = path_between(instrument, 20)
    played = instrument.render(NOTES, DURATION_S, seed=3, automation=Automation(timbres=path))
    rows = np.array([(n.onset_s, n.duration_s, n.pitch, n.velocity) for n in NOTES], dtype=np.float32)
    structure = torch.from_numpy(piano_roll(rows, 20, frame_rate=RATE / HOP)).T[None]
    latents = tiny.model.generate(structure, torch.from_numpy(path)[None], seeds=torch.tensor([3]), num_steps=2)
    expected = tiny.codec.decode(latents.transpose(1, 2))[0, :, : played.shape[1]].numpy()
    np.testing.assert_allclose(played[:, : expected.shape[1]], expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_values_that_do_not_change_are_those_that_are_set(instrument: Instrument) -> None:
    instrument.set_timbre("dark")
    instrument.set(temperature=0.5, transpose=3)
    expected = instrument.render(NOTES, DURATION_S, seed=1)
    dark = instrument.timbre
    instrument.set_timbre("bright")
    instrument.set(temperature=1.0, transpose=0)
    attributes = {"temperature": np.full(3, 0.5, np.float32), "transpose": np.full(1, 3, np.float32)}
    steady = Automation(timbres=dark[None], attributes=attributes)
    played = instrument.render(NOTES, DURATION_S, seed=1, automation=steady)
    np.testing.assert_allclose(played, expected, rtol=0, atol=1e-5)
    assert instrument.attributes.temperature == 1.0
    instrument.set_timbre("bright")
    np.testing.assert_array_equal(
        instrument.render(NOTES, DURATION_S, seed=1), instrument.render(NOTES, DURATION_S, seed=1)
    )


def test_attributes_change_at_their_frame_and_not_before(instrument: Instrument) -> None:
    plain = instrument.render(NOTES, DURATION_S, seed=1)
    temperature = np.ones(40, dtype=np.float32)
    temperature[8:] = 0.0
    changed = instrument.render(
        NOTES, DURATION_S, seed=1, automation=Automation(attributes={"temperature": temperature})
    )
    differs = np.flatnonzero(np.abs(plain - changed)[0] > 1e-6)
    lag = instrument.latency_samples - HOP
    assert 8 * HOP - lag <= differs[0] < 9 * HOP
    assert instrument.attributes.temperature == 1.0


def test_a_render_may_be_written_to_an_array_that_is_given(tiny_file: Path, tmp_path: Path) -> None:
    instrument = Instrument.load(tiny_file)
    expected = instrument.render(NOTES, DURATION_S, seed=1)
    out = np.memmap(tmp_path / "out", dtype=np.float32, mode="w+", shape=expected.shape)
    assert instrument.render(NOTES, DURATION_S, seed=1, out=out) is out
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(InstrumentError, match=r"out has the shape \[1, 7\]; the result has"):
        instrument.render(NOTES, DURATION_S, out=np.zeros((1, 7), np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"timbres": np.zeros((0, 4), np.float32)}, "one at least"),
        ({"timbres": np.full((2, 4), np.nan, np.float32)}, "NaN"),
        ({"attributes": {"vibrato": np.ones(3, np.float32)}}, "no attribute vibrato"),
        ({"attributes": {"temperature": np.ones((3, 1), np.float32)}}, "shape"),
    ],
)
def test_automation_that_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InstrumentError, match=message):
        Automation(**values)  # type: ignore[arg-type]


def test_timbres_of_another_size_are_refused(tiny_file: Path) -> None:
    with pytest.raises(InstrumentError, match=r"has 4 numbers, those that are automated have 7"):
        Instrument.load(tiny_file).render(
            NOTES, DURATION_S, automation=Automation(timbres=np.zeros((2, 7), np.float32))
        )

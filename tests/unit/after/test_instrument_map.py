"""The map of timbres in an instrument: kept in its files of both kinds, played, looked up and drawn."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from matplotlib.image import imread

from after.audio import write_audio
from after.checkpoint import read_checkpoint, write_checkpoint
from after.cli.map import command
from after.conditioning.map_fit import fit_timbre_map
from after.conditioning.timbre_map import TimbreMap
from after.errors import CheckpointError, InstrumentError
from after.export.map_picture import map_colours
from after.export.torchscript import InstrumentJob, export_instrument
from after.instrument import Instrument


@pytest.fixture(scope="module")
def fitted(tiny):
    """A map of the tiny instrument's timbres."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.02 * torch.randn(9, tiny.model.timbre_size, generator=generator)
    return fit_timbre_map({name: vector + noise for name, vector in tiny.timbres.items()}, tiny.timbres)


@pytest.fixture(scope="module")
def mapped_file(tiny_file, fitted, tmp_path_factory):
    tensors, snapshot = read_checkpoint(tiny_file)
    positions = {name: list(place) for name, place in fitted.positions.items()}
    quality = {"num_excerpts": 18, "num_neighbours": 8, "trustworthiness": 0.99, "continuity": None}
    snapshot["map"] = {"positions": positions, "quality": quality}
    path = tmp_path_factory.mktemp("mapped") / "mapped.safetensors"
    write_checkpoint(path, tensors | {"map.weights": fitted.timbre_map.weights}, snapshot, half=True)
    return path


@pytest.fixture(scope="module")
def mapped_export(mapped_file):
    path = mapped_file.with_suffix(".ts")
    audio = mapped_file.with_name("new.wav")
    write_audio(audio, 0.1 * np.random.default_rng(0).standard_normal((1, 44100), dtype=np.float32), 44100)
    export_instrument(InstrumentJob(source=mapped_file, timbres={"new": audio}), path)
    return path


@pytest.fixture(params=["mapped_file", "mapped_export"])
def instrument(request):
    return Instrument.load(request.getfixturevalue(request.param))


def show(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_file_keeps_its_map(instrument, fitted):
    assert instrument.has_map
    assert {name: instrument.map_positions[name] for name in ("bright", "dark")} == fitted.positions
    for x, y in ((0.0, 0.0), (-0.4, 0.9), (1.0, -1.0)):
        wanted = fitted.timbre_map(torch.tensor([[x, y]]))[0].numpy()
        np.testing.assert_allclose(instrument.timbre_at(x, y), wanted, atol=1e-3)
    assert instrument.manifest["map"]["quality"]["trustworthiness"] == 0.99


def test_places_are_played_and_found(instrument, tiny):
    for name, vector in tiny.timbres.items():
        assert instrument.locate(name) == instrument.map_positions[name]
        assert instrument.locate(vector.numpy()) == pytest.approx(instrument.map_positions[name], abs=0.02)
        instrument.set_timbre_at(*instrument.map_positions[name])
        np.testing.assert_allclose(instrument.timbre, vector.numpy(), atol=5e-3)
        assert np.isfinite(instrument.process(2048)).all()
    np.testing.assert_array_equal(instrument.timbre_at(9, 0), instrument.timbre_at(1, 0))


def test_timbres_of_audio_have_their_places_in_an_export(mapped_export):
    instrument = Instrument.load(mapped_export)
    assert set(instrument.map_positions) == {"bright", "dark", "new"}
    instrument.set_timbre("new")
    assert instrument.locate(instrument.timbre) == pytest.approx(instrument.map_positions["new"], abs=1e-3)


def test_no_place_is_not_a_place(instrument):
    before = instrument.timbre
    with pytest.raises(InstrumentError, match="is NaN: give numbers from -1 to 1"):
        instrument.set_timbre_at(float("nan"), 0.0)
    with pytest.raises(InstrumentError, match="no timbre 'tuba'"):
        instrument.locate("tuba")
    with pytest.raises(InstrumentError, match="not finite"):
        instrument.locate(np.full(before.size, np.nan, np.float32))
    np.testing.assert_array_equal(instrument.timbre, before)


def test_files_without_a_map_play_and_say_so(tiny_file):
    instrument = Instrument.load(tiny_file)
    assert not instrument.has_map
    assert instrument.map_positions == {}
    for call in (lambda: instrument.timbre_at(0, 0), lambda: instrument.set_timbre_at(0, 0)):
        with pytest.raises(InstrumentError, match="no map of timbres: make its file again with after bundle"):
            call()
    with pytest.raises(InstrumentError, match="no map"):
        instrument.locate("dark")
    result = show(tiny_file)
    assert isinstance(result.exception, InstrumentError)
    assert "has no map of timbres" in str(result.exception)


def test_a_damaged_map_is_refused(mapped_file):
    tensors, snapshot = read_checkpoint(mapped_file)
    weights = tensors["map.weights"]
    for wrong, words in ((weights[:, :, :2], "has the shape"), (weights * torch.nan, "not finite")):
        write_checkpoint("wrong.safetensors", tensors | {"map.weights": wrong}, snapshot)
        with pytest.raises(CheckpointError, match=words):
            Instrument.load("wrong.safetensors")
    write_checkpoint("wrong.safetensors", tensors, snapshot | {"map": {"positions": {"bright": [0.5]}}})
    with pytest.raises(CheckpointError, match="no positions"):
        Instrument.load("wrong.safetensors")


def test_the_command_shows_positions_and_figures(mapped_file, fitted):
    result = show(mapped_file)
    assert result.exit_code == 0, result.output
    x, y = fitted.positions["dark"]
    assert f"dark    {x:+6.3f}  {y:+6.3f}" in result.output
    assert "trustworthiness       0.9900" in result.output
    told = json.loads(show(mapped_file, "--json").stdout)
    assert told["positions"]["dark"] == [x, y]
    assert told["quality"]["num_excerpts"] == 18


def test_the_command_draws(mapped_file):
    result = show(mapped_file, "--png", "map.png")
    assert result.exit_code == 0, result.output
    assert imread(io.BytesIO(Path("map.png").read_bytes())).shape[:2] == (1000, 1000)
    assert [path.name for path in Path().iterdir()] == ["map.png"]


@pytest.mark.parametrize(("name", "words"), [("map.jpg", "does not end in .png"), ("none/map.png", "is not a folder")])
def test_pictures_that_cannot_be_are_refused_at_once(mapped_file, name, words):
    result = show(mapped_file, "--png", name)
    assert result.exit_code == 2
    assert words in result.output
    assert not result.stdout


def test_colours_follow_the_timbre(fitted):
    image = map_colours(fitted.timbre_map, 40)
    assert image.shape == (40, 40, 3)
    assert image.min() >= 0
    assert image.max() <= 1
    # rows along y: the colour at a place is as far from another as the timbres are
    flat = map_colours(TimbreMap(torch.linspace(-1, 1, 20)[None, :, None].expand(20, 20, 4).clone()), 40)
    assert np.ptp(flat, axis=1).max() < 1e-6
    assert np.ptp(flat, axis=0).max() > 0.9

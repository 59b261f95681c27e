"""`after bundle`: the instrument file plays what the trained run would play."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from after.checkpoint import read_checkpoint, read_weights, write_checkpoint
from after.cli import group
from after.codec.autoencoder import Codec
from after.codec.load import load_codec
from after.conditioning.roll import piano_roll
from after.config import from_dict
from after.data.store import Store
from after.instrument import Instrument
from after.midi import Note
from after.model import Model, build_model
from after.settings import ModelSettings
from tests.tiny_runs import TinyRuns, make_tiny_runs

NOTES = [Note(0.1, 60, 100, 0.3), Note(0.5, 64, 60, 0.4)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> TinyRuns:
    return make_tiny_runs(tmp_path_factory.mktemp("runs"))


def bundle(runs: TinyRuns, *arguments: object, out: str = "tiny.safetensors"):
    given = ["bundle", runs.model, "--codec", runs.codec, "--store", runs.store, "--out", out, *arguments]
    return CliRunner().invoke(group, [str(argument) for argument in given])


def load_parts(runs: TinyRuns) -> tuple[Model, Codec]:
    weights, snapshot = read_weights(runs.model)
    codec, settings = load_codec(runs.codec)
    model = build_model(from_dict(ModelSettings, snapshot["model"]), settings.num_latents)
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False), codec.requires_grad_(False)


def assert_one_line(result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_a_bundle_plays_the_averaged_weights_of_its_run(runs: TinyRuns) -> None:
    result = bundle(runs, "--rename", "sf_oboe=oboe", "--steps", 3, "--license", "CC-BY-4.0")
    assert result.exit_code == 0, result.output
    instrument = Instrument.load("tiny.safetensors")
    assert instrument.timbres == ("clarinet", "oboe")
    assert instrument.attributes.num_steps == 3

    model, codec = load_parts(runs)
    num_frames, rate = 44, 44100
    rows = [(note.onset_s, note.duration_s, note.pitch, note.velocity) for note in NOTES]
    structure = piano_roll(np.array(rows, np.float32), num_frames, frame_rate=rate / 1024, start_s=0.0).T
    instrument.set_timbre("oboe")
    latents = model.generate(
        torch.from_numpy(structure.copy())[None],
        torch.from_numpy(instrument.timbre)[None],
        seeds=torch.tensor([7]),
        num_steps=3,
    )
    with torch.no_grad():
        wanted = codec.decode(latents.transpose(1, 2))[0].numpy()[:, : -codec.latency_samples]
    played = instrument.render(NOTES, wanted.shape[1] / rate, seed=7)
    assert np.abs(played - wanted).max() < 0.01 * np.abs(wanted).max()


def test_timbres_are_means_of_the_training_recordings(runs: TinyRuns) -> None:
    assert bundle(runs).exit_code == 0
    instrument = Instrument.load("tiny.safetensors")
    model, codec, num_frames = *load_parts(runs), 16
    with Store.open(runs.store) as store:
        keys = {g: [k for r in store.sources() for k in r.chunk_keys() if r.group == g and r.split == "train"]
                for g in ("clarinet", "sf_oboe")}  # fmt: skip
        audio = {g: [store.read(k, ("audio",))["audio"] / np.float32(32768) for k in v] for g, v in keys.items()}
    for name, recordings in audio.items():
        timbres = []
        for recording in recordings:
            latents = codec.encode(torch.from_numpy(recording)[None, None]).transpose(1, 2)
            starts = range(latents.size(1) - num_frames + 1)
            crops = torch.cat([latents[:, start : start + num_frames] for start in starts])
            timbres.append(model.timbre_encoder(crops).mean(dim=0))
        instrument.set_timbre(name)
        np.testing.assert_allclose(instrument.timbre, torch.stack(timbres).mean(dim=0).numpy(), atol=0.05)
    tensors, _ = read_checkpoint("tiny.safetensors")
    assert {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} == {torch.float16}


def test_a_bundle_has_a_map_of_its_timbres(runs: TinyRuns) -> None:
    assert bundle(runs).exit_code == 0
    instrument = Instrument.load("tiny.safetensors")
    assert list(instrument.map_positions) == ["clarinet", "sf_oboe"]
    for name, place in instrument.map_positions.items():
        instrument.set_timbre(name)
        np.testing.assert_allclose(instrument.timbre_at(*place), instrument.timbre, atol=5e-3)
    quality = instrument.manifest["map"]["quality"]
    assert quality["num_excerpts"] == 128
    assert quality["trustworthiness"] > 0.8
    first = Path("tiny.safetensors").read_bytes()
    assert bundle(runs).exit_code == 0
    assert Path("tiny.safetensors").read_bytes() == first


def test_the_file_says_what_it_is(runs: TinyRuns) -> None:
    result = bundle(runs, "--license", "CC-BY-4.0", "--rename", "sf_oboe=oboe")
    assert "CC-BY-4.0" in result.stdout
    description = Instrument.load("tiny.safetensors").manifest["description"]
    assert description["license"] == "CC-BY-4.0"
    assert description["credits"] == {"clarinet": "CC0-1.0", "oboe": "CC0-1.0"}
    assert description["groups"] == {"clarinet": "clarinet", "oboe": "sf_oboe"}
    assert description["iterations"] == 2
    assert description["codec_iterations"] == 2
    assert description["data_hours"] == pytest.approx(4 * 1.3 / 3600, abs=1e-3)


def test_too_large_a_file_is_refused_and_nothing_is_left(runs: TinyRuns) -> None:
    Path("tiny.safetensors").write_text("what was there before")
    assert_one_line(bundle(runs, "--max-megabytes", 0.01), "MB", "--max-megabytes")
    assert Path("tiny.safetensors").read_text() == "what was there before"
    assert len(list(Path().iterdir())) == 1


def test_timbres_can_be_chosen(runs: TinyRuns) -> None:
    assert bundle(runs, "--group", "clarinet").exit_code == 0
    assert Instrument.load("tiny.safetensors").timbres == ("clarinet",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--rename", "oboe"), ("GROUP=NAME",)),
        (("--rename", "tuba=horn"), ("no group tuba", "clarinet")),
        (("--rename", "sf_oboe=clarinet"), ("both be named clarinet",)),
    ],
)
def test_wrong_names_are_one_line(runs: TinyRuns, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line(bundle(runs, *arguments), *words)


def test_only_the_codec_of_the_run_fits(runs: TinyRuns) -> None:
    weights, snapshot = read_weights(runs.codec)
    write_checkpoint("codec.safetensors", weights, snapshot)
    assert bundle(replace(runs, codec=Path("codec.safetensors"))).exit_code == 0
    weights = {name: tensor * 1.001 for name, tensor in weights.items()}
    write_checkpoint("codec.safetensors", weights, snapshot)
    assert_one_line(bundle(replace(runs, codec=Path("codec.safetensors"))), "was trained on latents/", "name the codec")


def test_wrong_files_are_one_line(runs: TinyRuns) -> None:
    assert_one_line(bundle(runs, out="tiny.bin"), ".safetensors")
    assert_one_line(bundle(replace(runs, model=runs.codec)), "holds a codec")
    assert_one_line(bundle(replace(runs, codec=runs.model)), "holds no codec")
    assert_one_line(bundle(replace(runs, store=runs.codec)), "not a data store")


def test_a_store_without_recordings_is_refused(runs: TinyRuns) -> None:
    with Store.open("empty", "a"):
        pass
    assert_one_line(bundle(replace(runs, store=Path("empty"))), "empty")
    assert not Path("tiny.safetensors").exists()

"""A codec of another program from training to sound: train, bundle, export and render by the commands themselves."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from after.audio import read_audio, write_audio
from after.checkpoint import read_checkpoint
from after.cli import group
from after.codec.foreign.codec import ForeignCodec
from after.data.store import Store
from after.instrument import Instrument
from after.manifest import read_manifest
from after.midi import Note, write_midi
from after.training.trained_codec import open_training_codec
from tests.foreign_codec import HOP, NUM_LATENTS, RATE, Convolving, Framing, write_foreign
from tests.tiny_runs import after, write_recordings

NOTES = [Note(0.1, 60, 100, 0.3), Note(0.5, 64, 60, 0.4)]


@dataclass(frozen=True)
class Given:
    """A store, a foreign codec, and what was made of them."""

    store: Path
    codec: Path
    run: Path
    instrument: Path
    export: Path


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("foreign")
    given = Given(*(folder / name for name in ("store", "rave.ts", "run", "rave.safetensors", "instrument.ts")))
    write_recordings(folder / "recordings")
    after("prepare_dataset", folder / "recordings", "--out", given.store, "--chunk-seconds", 0.5,
          "--validation", 0.34, "--license", "CC0-1.0", "--workers", 0)  # fmt: skip
    write_foreign(given.codec, Convolving(variational=True))
    after("train", given.store, "--codec", given.codec, "--out", given.run, "--preset", "tiny", "--iterations", 2)
    after("bundle", given.run, "--codec", given.codec, "--store", given.store, "--out", given.instrument, "--steps", 1)
    after("export", given.instrument, "--out", given.export)
    return given


def run(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def assert_one_line(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


def table_of(run_folder: Path) -> dict[str, object]:
    table: dict[str, object] = json.loads((run_folder / "settings.json").read_text())["codec"]
    return table


def test_the_run_knows_its_codec(given: Given) -> None:
    table = table_of(given.run)
    assert (table["kind"], table["sample_rate"], table["hop_length"]) == ("foreign", RATE, HOP)
    assert len(table["mean"]) == len(table["std"]) == NUM_LATENTS  # type: ignore[arg-type]


def test_the_store_s_latents_have_about_unit_variance(given: Given) -> None:
    name = json.loads((given.run / "settings.json").read_text())["latents"]
    with Store.open(given.store) as store:
        rows = np.concatenate([store.read(key, (name,))[name] for key in store.keys("train")]).astype(np.float32)
    assert np.abs(rows.mean(axis=0)).max() < 0.5
    assert np.abs(np.log(rows.std(axis=0))).max() < 0.7


def test_a_run_that_goes_on_measures_nothing_again(given: Given) -> None:
    codec, table = open_training_codec(given.codec, "no store", given.run, torch.device("cpu"))
    assert table == table_of(given.run)
    assert codec.num_latents == NUM_LATENTS


def test_another_run_finds_the_latents_that_are_stored(given: Given) -> None:
    result = run("train", given.store, "--codec", given.codec, "--out", "other", "--preset", "tiny", "--iterations", 1,
                 "--set", "training.seed=9")  # fmt: skip
    assert result.exit_code == 0, result.output
    names = [json.loads((folder / "settings.json").read_text())["latents"] for folder in (given.run, Path("other"))]
    assert names[0] == names[1]
    with Store.open(given.store) as store:
        assert [name for name in store.names(store.keys()[0]) if name.startswith("latents/")] == names[:1]


def test_a_minute_is_measured_at_most(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    monkeypatch.setattr(ForeignCodec, "fit_latents", lambda codec, audio: heard.append(audio.numel() / RATE))
    monkeypatch.setattr("after.training.trained_codec._FIT_S", 10)
    open_training_codec(given.codec, given.store, "run", torch.device("cpu"))
    assert 10 <= heard[0] < 11


def test_the_instrument_needs_no_other_file(given: Given) -> None:
    tensors, snapshot = read_checkpoint(given.instrument)
    assert tensors["codec.archive"].numpy().tobytes() == given.codec.read_bytes()
    assert snapshot["codec"] == table_of(given.run)
    assert "codec 0." in run("info", given.instrument).stdout
    for file in (given.instrument, given.export):
        assert "codec       of another program, and a program itself" in run("info", file).stdout


def test_both_files_play_the_same(given: Given) -> None:
    whole, exported = Instrument.load(given.instrument), Instrument.load(given.export)
    latency = read_manifest(given.export)["latency_samples"]
    assert whole.latency_samples == exported.latency_samples == latency
    assert latency > HOP
    audio = whole.render(NOTES, 1.0)
    assert np.abs(audio).max() > 0.01
    np.testing.assert_allclose(exported.render(NOTES, 1.0), audio, atol=1e-5)


@pytest.mark.parametrize("kind", ["instrument", "export"])
def test_a_stream_in_any_blocks_is_the_render(given: Given, kind: str) -> None:
    instrument = Instrument.load(getattr(given, kind))
    sizes = (1, 700, 1024, 3000, 64, 5000)
    rendered = instrument.render([], sum(sizes) / RATE)
    streamed = np.concatenate([instrument.process(size) for size in sizes], axis=1)
    late = instrument.latency_samples
    np.testing.assert_allclose(streamed[:, late:], rendered[:, : streamed.shape[1] - late], atol=1e-5)
    assert np.abs(rendered).max() > 0.01


def test_a_run_is_exported_with_its_codec(given: Given) -> None:
    result = run("export", given.run, "--codec", given.codec, "--out", "direct.ts")
    assert result.exit_code == 0, result.output
    direct, bundled = Instrument.load("direct.ts"), Instrument.load(given.export)
    for instrument in (direct, bundled):
        instrument.set(num_steps=1, guidance_structure=1.0, guidance_timbre=1.0)
        instrument.set_timbre(np.zeros(len(direct.timbre), dtype=np.float32))
    # the bundle's weights are halves
    audio = bundled.render(NOTES, 0.5)
    assert np.abs(direct.render(NOTES, 0.5) - audio).max() < 0.02 * np.abs(audio).max()


@pytest.mark.parametrize("kind", ["instrument", "export"])
def test_the_render_command_plays_it(given: Given, kind: str) -> None:
    write_midi("song.mid", NOTES)
    result = run("render", "song.mid", "--instrument", getattr(given, kind), "--timbre", "clarinet", "-o", "song.wav")
    assert result.exit_code == 0, result.output
    audio, _ = read_audio("song.wav", sample_rate=RATE, mono=True)
    assert np.abs(audio).max() > 0.01


def test_what_does_not_fit_is_one_line(given: Given) -> None:
    other = write_foreign("other.ts", Framing(HOP))
    rate = write_foreign("rate.ts", Convolving(sample_rate=48000))
    assert_one_line(run("bundle", given.run, "--codec", other, "--store", given.store, "--out", "a.safetensors"),
                    "other.ts is not the codec that the model was trained with")  # fmt: skip
    assert_one_line(run("export", given.run, "--codec", other, "--out", "abc.ts"), "not the codec")
    assert_one_line(
        run("train", given.store, "--codec", other, "--out", given.run, "--preset", "tiny"), "not the codec"
    )
    assert_one_line(run("train", given.store, "--codec", rate, "--out", "run", "--preset", "tiny"),
                    "prepared at 44100 Hz, the codec runs at 48000 Hz")  # fmt: skip
    assert_one_line(run("train", given.store, "--codec", "none.ts", "--out", "run", "--preset", "tiny"), "none.ts")
    assert_one_line(run("train", given.store, "--codec", given.codec, "--out", given.run, "--preset", "tiny",
                        "--codec-sample-rate", 48000), "rate of 44100 Hz, 48000 Hz was given")  # fmt: skip
    assert_one_line(run("train", given.store, "--codec", "nothing", "--out", "run"), "nothing is missing", "(.ts)")
    write_audio("a.wav", np.zeros((1, 100), dtype=np.float32), RATE)
    assert_one_line(run("train", given.store, "--codec", "a.wav", "--out", "run"), "a.wav is no codec: name a run")
    assert_one_line(run("train", given.store, "--codec", given.export, "--out", "run"),
                    "is an exported instrument of after: give the run folder or the .safetensors")  # fmt: skip
    assert_one_line(run("evaluate_codec", given.export), "is an exported instrument of after")
    assert_one_line(run("export_autoencoder", given.codec, "--out", "codec.ts"), "rave.ts is a TorchScript file")
    Path("text.ts").write_text("nothing")
    assert_one_line(run("train", given.store, "--codec", "text.ts", "--out", "run"), "not a TorchScript file")

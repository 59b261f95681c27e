"""Updates that are interrupted and asked for differently, licences that change, settings that cannot be, full disks."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from after.codec.load import BUNDLED_CODEC
from after.data.extract.activation_file import ActivationFile
from after.data.extract.registry import build_settings
from after.data.extract.stored_audio import AudioInStore, ShippedAudio
from after.data.extract.work import ExtractTask, extract_features
from after.data.prepare.report import PrepareReport
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob, PrepareSettings
from after.data.store import Store
from after.errors import AfterError, ConfigError, DataError
from after.features.transcription import NoteActivations
from tests.unit.data.audio_folder import save, save_set, sine
from tests.unit.data.preparing import CHUNK_SAMPLES, dump


def run(
    window_length: int | None = None, update: tuple[str, ...] = (), stop_after: int = 0, text: str = "", **given: Any
) -> PrepareReport:
    """Prepare with the feature loudness; stops like Ctrl-C after so many recordings of it."""

    def stop(stage: str, done: int, total: int) -> None:
        nonlocal stop_after
        if stage == "features":
            stop_after -= 1
            if stop_after == 0:
                raise KeyboardInterrupt

    features = {"loudness": {"window_length": window_length}}
    job = PrepareJob(
        inputs=(Path("set"),), out=Path("store"), workers=0, features=features, update=update, license=text
    )
    return prepare(job, {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.5, "validation": 0.0, **given}, stop)


def windows() -> list[int | None]:
    with Store.open("store") as store:
        known = [store.features.get(record, "loudness") for record in store.sources()]
    return [feature.settings["window_length"] if feature else None for feature in known]


@pytest.fixture
def stored() -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.2, "c.wav": 1.4})
    run(2048)


@pytest.mark.usefixtures("stored")
def test_an_update_that_is_asked_for_with_other_settings_does_not_mix_them() -> None:
    assert run(4096, update=("loudness",), stop_after=2).is_interrupted
    assert sorted(windows(), key=str) == [4096, 4096, None]
    assert run(8192, update=("loudness",)).is_complete
    assert windows() == [8192, 8192, 8192]


@pytest.mark.usefixtures("stored")
def test_a_run_without_the_update_ends_it_with_its_settings() -> None:
    assert run(4096, update=("loudness",), stop_after=2).is_interrupted
    assert run().is_complete
    assert windows() == [4096, 4096, 4096]


@pytest.mark.usefixtures("stored")
def test_an_update_killed_before_it_is_noted_leaves_no_settings_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_manifest", die)
        with pytest.raises(MemoryError):
            run(4096, update=("loudness",))
    assert windows() == [None, None, None]
    run()
    assert windows() == [2048, 2048, 2048]


@pytest.mark.usefixtures("stored")
def test_a_new_licence_reaches_copies_and_files_that_were_touched() -> None:
    run(copies=1, text="old")
    Path("set/a.wav").touch()
    run(text="new")
    with Store.open("store") as store:
        assert {(record.kind, record.license) for record in store.sources()} == {("recording", "new"), ("copy", "new")}


@pytest.mark.usefixtures("stored")
def test_what_is_gone_stays_and_is_counted() -> None:
    run(copies=1)
    before = dump("store")
    Path("set/b.wav").rename("set/renamed.wav")
    Path("set/c.wav").unlink()
    report = run()
    assert (report.stored, report.absent, report.skipped) == (1, 2, 0)
    assert before.items() <= dump("store").items()


@pytest.mark.parametrize(
    "given",
    [
        {"min_seconds": np.nan},
        {"min_seconds": -1.0},
        {"silence_db": -np.inf},
        {"silent_share": np.nan},
        {"silent_share": 1.5},
        {"copies": -1},
        {"copy_semitones": 13},
        {"copy_tempo": np.nan},
        {"chunk_samples": 1024 * 1_000_000},
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give"):
        PrepareSettings(**given)


def test_a_codec_that_does_not_fit_is_refused_before_any_work() -> None:
    save_set("set", {"a.wav": 1.0})
    job = PrepareJob(inputs=(Path("set"),), out=Path("store"), features={"latents": {}})
    with pytest.raises(DataError, match=r"22050 Hz, the codec .* 44100 Hz: make a store with --sample-rate 44100"):
        prepare(job, {"sample_rate": 22_050})
    job = replace(job, features={"loudness": {"hop_length": 1000}})
    with pytest.raises(DataError, match="no multiple of the hop length 1000 of loudness"):
        prepare(job, {})
    assert not Path("store").exists()


@pytest.mark.parametrize(
    ("package", "given", "feature"),
    [("pedalboard", {"copies": 1}, "loudness"), ("onnxruntime", {}, "transcription")],
)
def test_a_missing_package_is_named_before_any_work(
    package: str, given: dict[str, Any], feature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_set("set", {"a.wav": 1.0})
    monkeypatch.setitem(sys.modules, package, None)
    job = PrepareJob(inputs=(Path("set"),), out=Path("store"), features={feature: {}})
    with pytest.raises(AfterError, match=f"pip install {package}"):
        prepare(job, given)
    if Path("store").exists():
        with Store.open("store") as store:
            assert not store.sources()


def test_the_place_of_a_codec_is_known_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    save_set("set", {"a.wav": 1.0})
    Path("codec.safetensors").symlink_to(BUNDLED_CODEC)
    inputs, out = (Path("set").absolute(),), Path("store").absolute()
    features = {"latents": {"codec_path": "codec.safetensors"}}
    prepare(PrepareJob(inputs=inputs, out=out, workers=0, features=features), {"chunk_seconds": 0.5})
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert prepare(PrepareJob(inputs=inputs, out=out, workers=0), {}).unchanged == 1


def test_features_that_fit_no_disk_end_the_run_with_one_line() -> None:
    """`/dev/full` takes what is written into the buffer, and refuses when the buffer is emptied: on closing."""
    audio = ShippedAudio(np.zeros(2 * CHUNK_SAMPLES, np.int16), 2 * CHUNK_SAMPLES, 44_100, CHUNK_SAMPLES)
    task = ExtractTask("a.wav", audio, (build_settings("loudness", {}),), Path("/dev/full"))
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        extract_features(task)


def test_a_full_disk_for_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with ActivationFile() as file:

        def refuse(_: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(file._file, "write", refuse)
        with pytest.raises(DataError, match=r"\(No space left on device\): make room, or set TMPDIR"):
            file.append(NoteActivations(np.zeros((3, 88), np.float32), np.zeros((3, 88), np.float32)))


def test_in_this_process_audio_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})

    def ship(*_: object) -> None:
        raise AssertionError("a recording of hours would be in memory as a whole")

    monkeypatch.setattr(AudioInStore, "ship", ship)
    report = run(copies=1)
    assert (report.stored, report.crashed) == (2, ())


def test_where_nothing_can_be_used_the_reasons_are_listed_in_the_store() -> None:
    save("set/a.wav", np.zeros(60_000))
    Path("set/b.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"none of the 2 audio files .* inspect_dataset store --problems"):
        run()
    with Store.open("store") as store:
        assert [entry["source"] for entry in store.skipped()] == ["set/a.wav", "set/b.wav"]
    save("set/a.wav", sine(300.0, 1.0))
    assert run().stored == 1


def test_a_store_that_is_deleted_can_be_read_to_its_end() -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    run()
    with Store.open("store") as store:
        expected = {key: store.read(key) for key in store.keys("train")}
        subprocess.run([sys.executable, "-c", "import shutil; shutil.rmtree('store')"], check=True)
        for key, arrays in expected.items():
            np.testing.assert_array_equal(store.read(key)["audio"], arrays["audio"])
    with pytest.raises(DataError, match="not a data store"):
        Store.open("store")

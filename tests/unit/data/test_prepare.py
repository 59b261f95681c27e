"""prepare: what goes in comes out at the right place and pitch; bad files cost one line each; runs add up."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from after.data.store import Store
from after.errors import ConfigError, DataError
from after.midi import Note, PedalEvent, write_midi
from tests.unit.data.audio_folder import fundamental_hz, save, save_set, sine
from tests.unit.data.preparing import CHUNK_S, CHUNK_SAMPLES, audio_of, dump, run


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize(("sample_rate", "channels"), [(44_100, 1), (48_000, 2), (22_050, 1)])
def test_every_format_and_rate_keeps_its_pitch_level_and_length(suffix: str, sample_rate: int, channels: int) -> None:
    tone = sine(440.0, 2.0, sample_rate)
    save(f"set/a.{suffix}", np.stack([tone] * channels, axis=1), sample_rate)
    run("set")
    with Store.open("store") as store:
        (record,) = store.sources()
        audio = audio_of(store, f"set/a.{suffix}")[: record.num_samples] / 32_768
    assert record.num_samples / 44_100 == pytest.approx(2.0, abs=0.06 if suffix == "mp3" else 1e-3)
    assert (record.source_sample_rate, record.source_channels) == (sample_rate, channels)
    middle = audio[11_025:66_150]
    assert fundamental_hz(middle, 44_100) == pytest.approx(440.0, abs=0.05)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_16_bit_audio_at_the_stores_rate_is_stored_bit_for_bit() -> None:
    samples = np.random.default_rng(0).integers(-32_768, 32_767, 3 * CHUNK_SAMPLES // 2, endpoint=True).astype(np.int16)
    Path("set").mkdir()
    soundfile.write("set/a.wav", samples, 44_100, subtype="PCM_16")
    run("set")
    with Store.open("store") as store:
        audio = audio_of(store, "set/a.wav")
        assert audio.dtype == np.int16
        assert [store.metadata(key)["valid_samples"] for key in store.sources()[0].chunk_keys()] == [
            CHUNK_SAMPLES,
            CHUNK_SAMPLES // 2,
        ]
    np.testing.assert_array_equal(audio[: samples.size], samples)
    assert not audio[samples.size :].any()


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "flac"])
def test_a_stream_of_blocks_is_decoded_like_the_whole(suffix: str) -> None:
    tone = sine(440.0, 8.0) + sine(661.0, 8.0, level=0.2)
    path = save(f"set/a.{suffix}", np.stack([tone, tone], axis=1))
    run("set")
    whole = soundfile.read(path)[0].mean(axis=1)
    with Store.open("store") as store:
        audio = audio_of(store, f"set/a.{suffix}")[: whole.size] / 32_768
    np.testing.assert_allclose(audio, whole[: audio.size], atol=1e-4)


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 96_000])
def test_an_impulse_lands_in_its_chunk_at_its_place(sample_rate: int) -> None:
    audio = np.zeros(3 * sample_rate)
    at_s = 2.0
    audio[round(at_s * sample_rate)] = 0.9
    save("set/a.wav", audio, sample_rate)
    run("set")
    with Store.open("store") as store:
        key = store.sources()[0].chunk_keys()[int(at_s / CHUNK_S)]
        offset_samples = store.metadata(key)["offset_samples"]
        chunk = store.read(key)["audio"]
    assert offset_samples == int(at_s / CHUNK_S) * CHUNK_SAMPLES
    assert offset_samples + int(np.argmax(np.abs(chunk))) == round(at_s * 44_100)


def test_a_stream_of_blocks_is_resampled_like_the_whole() -> None:
    import soxr

    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000 * 10)
    save("set/a.wav", noise, 48_000, subtype="FLOAT")
    run("set")
    whole = soxr.resample(noise.astype(np.float32), 48_000, 44_100, quality="HQ")
    with Store.open("store") as store:
        (record,) = store.sources()
        audio = audio_of(store, "set/a.wav")[: record.num_samples] / 32_768
    assert record.num_samples == whole.size
    np.testing.assert_allclose(audio[: whole.size], whole[: audio.size], atol=2e-4)


@pytest.mark.parametrize(
    ("quarters", "num_chunks", "dropped"), [(2, 1, 0), (4, 1, 0), (4.9, 1, 0.9), (5, 2, 0), (8, 2, 0), (11, 3, 0)]
)
def test_the_last_chunk_needs_a_quarter(quarters: float, num_chunks: int, dropped: float) -> None:
    quarter = CHUNK_SAMPLES // 4
    save("set/a.wav", sine(300, 10)[: int(quarters * quarter)])
    run("set", min_seconds=0.1)
    with Store.open("store") as store:
        (record,) = store.sources()
    assert record.num_chunks == num_chunks
    assert record.dropped_samples == pytest.approx(dropped * quarter, abs=1)


def test_notes_are_relative_to_their_chunk() -> None:
    save("set/a b.wav", sine(300, 3 * CHUNK_S))
    notes = [Note(0.1, 60, 100, 0.2), Note(CHUNK_S - 0.1, 62, 90, 0.3), Note(2.5 * CHUNK_S, 64, 80, 0.05)]
    write_midi("set/a b.mid", notes)
    run("set")
    with Store.open("store") as store:
        found = [store.read(key)["notes"] for key in store.sources()[0].chunk_keys()]
        assert store.sources()[0].pitch_counts == {60: 1, 62: 1, 64: 1}
    assert all(rows.dtype == np.float32 for rows in found)
    expected = [
        [(0.1, 0.2, 60, 100), (CHUNK_S - 0.1, 0.3, 62, 90)],
        [(-0.1, 0.3, 62, 90)],
        [(0.5 * CHUNK_S, 0.05, 64, 80)],
    ]
    for rows, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(rows, wanted, atol=1e-4)


def test_the_pedal_lengthens_notes_into_later_chunks() -> None:
    save("set/a.wav", sine(300, 3 * CHUNK_S))
    write_midi("set/a.midi", [Note(0.1, 60, 100, 0.1)], [PedalEvent(0.05, True), PedalEvent(2.2 * CHUNK_S, False)])
    run("set")
    with Store.open("store") as store:
        counts = [len(store.read(key)["notes"]) for key in store.sources()[0].chunk_keys()]
    assert counts == [1, 1, 1]


def test_audio_without_midi_has_no_notes() -> None:
    save_set("set", {"a.wav": 1.0})
    run("set")
    with Store.open("store") as store:
        assert store.names(store.keys()[0]) == ["audio"]
        assert store.sources()[0].num_notes is None


def test_midi_that_does_not_fit_is_a_warning() -> None:
    save_set("set", {"bad.wav": 1.0, "long.wav": 1.0, "short.wav": 15.0})
    Path("set/bad.mid").write_bytes(b"MThd\x00\x00")
    write_midi("set/long.mid", [Note(0.0, 60, 100, 0.5), Note(7.0, 60, 100, 0.5)])
    write_midi("set/short.mid", [Note(0.0, 60, 100, 0.5)])
    report = run("set")
    warnings = {entry["source"]: entry["warning"] for entry in report.manifest["warnings"]}
    assert (report.stored, report.skipped) == (3, 0)
    assert "without notes" in warnings["set/bad.wav"]
    assert "longer than the audio: 1 of 2" in warnings["set/long.wav"]
    assert "shorter than the audio" in warnings["set/short.wav"]


def make_bad_files(root: Path) -> dict[str, str]:
    """Write one file of each kind that must be refused; gives a part of the reason by name."""
    good = save(root / "good.wav", sine(300, 2.0))
    good.with_name("noise.wav").write_bytes(np.random.default_rng(0).bytes(5_000))
    good.with_name("header only.wav").write_bytes(good.read_bytes()[:30])
    flac = save(root / "cut.flac", sine(300, 2.0) + 0.1 * np.random.default_rng(0).standard_normal(88_200))
    flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    broken = sine(300, 2.0)
    broken[50_000] = np.nan
    save(root / "nan.wav", broken, subtype="FLOAT")
    save(root / "silent.wav", np.zeros(88_200) + 1e-5, subtype="FLOAT")
    save(root / "short.wav", sine(300, 0.3))
    save(root / "none.wav", np.zeros(0))
    (root / "empty.wav").touch()
    good.unlink()
    return {
        "noise.wav": "unreadable",
        "header only.wav": "unreadable",
        "cut.flac": "unreadable",
        "nan.wav": "NaN or infinite samples, the first at 1.134 s",
        "silent.wav": "silent: its peak is -100.0 dBFS",
        "short.wav": "too short: 0.30 s, the limit is 0.5 s",
        "none.wav": "empty",
        "empty.wav": "unreadable",
    }


def test_bad_files_cost_one_line_each_and_nothing_else() -> None:
    save_set("set", {"piano/a.wav": 2.0, "flöte/ünïcode name.wav": 2.0, "piano/deep/er/c.wav": 2.0})
    run("set", out="clean")
    reasons = make_bad_files(Path("set/bad"))
    report = run("set", out="dirty")
    skipped = {entry["source"].removeprefix("set/bad/"): entry["reason"] for entry in report.manifest["skipped"]}
    assert skipped.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in skipped[name]
    kept = {key: value for key, value in dump("dirty").items() if not key.startswith(b"skipped/")}
    assert kept == dump("clean")
    assert report.skipped == len(reasons)


def test_worker_processes_give_the_same_store() -> None:
    save_set("set", {f"{name}/{index}.wav": 1.0 for name in ("piano", "flute") for index in range(3)})
    Path("set/bad.wav").write_bytes(b"RIFF")
    run("set", out="alone")
    run("set", out="together", workers=2)
    assert dump("alone") == dump("together")


def test_the_manifest_counts_what_is_there() -> None:
    save_set("set", {"piano/a.wav": 2.0, "piano/b.wav": 2.0, "flute/c.wav": 2.0})
    write_midi("set/flute/c.mid", [Note(0.1, 60, 100, 0.2), Note(0.4, 60, 100, 0.2), Note(0.8, 72, 100, 0.2)])
    manifest = run("set", license_text="CC0-1.0").manifest
    summary = manifest["summary"]
    assert manifest["schema_version"] == 2
    assert sum(split["files"] for split in summary["splits"].values()) == 3
    assert sum(split["hours"] for split in summary["splits"].values()) == pytest.approx(6 / 3600, rel=1e-3)
    assert sum(split["files"] for split in summary["groups"]["piano"].values()) == 2
    assert (summary["pitch_histogram"][60], summary["pitch_histogram"][72], summary["notes"]) == (2, 1, 3)
    with Store.open("store") as store:
        assert {store.metadata(key)["license"] for key in store.keys("train")} == {"CC0-1.0"}


def test_licences_come_from_the_dataset_file_unless_given() -> None:
    save_set("set", {"piano/a.wav": 1.0, "flute/b.wav": 1.0})
    credits_ = [{"licence": "CC0-1.0", "source": "someone"}, {"licence": "CC-BY-4.0", "source": "another"}]
    Path("set/dataset.json").write_text(json.dumps({"instruments": {"piano": {"credits": credits_}}}))
    run("set")
    with Store.open("store") as store:
        assert {record.group: record.license for record in store.sources()} == {
            "piano": "CC0-1.0 (someone); CC-BY-4.0 (another)",
            "flute": "",
        }
    assert run("set", license_text="mine").unchanged == 2
    with Store.open("store") as store:
        assert {record.license for record in store.sources()} == {"mine"}
    Path("set/dataset.json").write_text("[]")
    with pytest.raises(DataError, match=r"dataset\.json"):
        run("set", out="third")


def test_inputs_that_cannot_work_are_named() -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        run("nowhere")
    Path("empty").mkdir()
    with pytest.raises(DataError, match="no audio"):
        run("empty")
    assert not Path("store").exists()
    Path("empty/a.wav").write_bytes(b"?")
    with pytest.raises(DataError, match="none of the 1 audio files"):
        run("empty")
    save_set("x/piano", {"a.wav": 1.0})
    save_set("y/piano", {"a.wav": 1.0})
    with pytest.raises(DataError, match=r"would both be called piano/a\.wav"):
        run("x/piano", "y/piano", out="other")
    with pytest.raises(ConfigError, match="regular expression"):
        run("x", out="other", group_by="(")

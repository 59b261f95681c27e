"""The store: arrays come back as they went in, writes are all or nothing, the map grows, other versions are refused."""

import json
import multiprocessing
from pathlib import Path

import lmdb
import numpy as np
import pytest
import safetensors.numpy

from after.data.records import Chunk, FileStamp, SourceRecord, encode_array, view_array
from after.data.store import Store
from after.errors import DataError

CHUNK_SAMPLES = 4096


def record(
    source: str = "set/piano/a.wav", *, version: str = "v1", num_chunks: int = 3, split: str = "train"
) -> SourceRecord:
    return SourceRecord(
        source=source,
        split=split,
        split_rank=0.5,
        group=source.split("/")[-2],
        license="CC0-1.0",
        audio=FileStamp(size_bytes=1, mtime_ns=2, content_hash=version),
        midi=None,
        chunk_prefix=f"{source.encode().hex()}{version}",
        num_chunks=num_chunks,
        num_samples=num_chunks * CHUNK_SAMPLES,
        source_sample_rate=44_100,
        source_channels=1,
        peak_db=-6.0,
        clipped_samples=0,
        dropped_samples=0,
        num_notes=None,
        pitch_counts={60: 2},
    )


def chunks(number: int = 3, *, seed: int = 0, num_samples: int = CHUNK_SAMPLES) -> list[Chunk]:
    rng = np.random.default_rng(seed)
    return [
        Chunk(
            {"offset_samples": index * num_samples},
            {"audio": rng.integers(-32_768, 32_767, num_samples).astype(np.int16)},
        )
        for index in range(number)
    ]


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "bool"])
def test_a_view_equals_what_safetensors_reads(dtype: str) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 7).astype(dtype).transpose(0, 2, 1)
    block = encode_array("latents/x", array)
    view = view_array(block)
    assert view.dtype == array.dtype
    np.testing.assert_array_equal(view, array)
    np.testing.assert_array_equal(view, safetensors.numpy.load(block)["latents/x"])


def test_a_damaged_block_is_a_data_error() -> None:
    with pytest.raises(DataError, match="damaged"):
        view_array(encode_array("x", np.zeros(100))[:50])


def test_a_source_comes_back_whole() -> None:
    written = chunks()
    with Store.open("store", "a") as store:
        store.put_source(record(), written)
    with Store.open("store") as store:
        assert store.sources() == [record()]
        assert store.keys() == store.keys("train") == record().chunk_keys()
        assert store.keys("validation") == []
        for key, chunk in zip(store.keys(), written, strict=True):
            np.testing.assert_array_equal(store.read(key)["audio"], chunk.arrays["audio"])
            np.testing.assert_array_equal(store.read_slice(key, "audio", 7, 70), chunk.arrays["audio"][7:70])
        metadata = store.metadata(store.keys()[1])
    assert metadata["offset_samples"] == CHUNK_SAMPLES
    assert {name: metadata[name] for name in ("source", "split", "group", "license", "content_hash")} == {
        "source": "set/piano/a.wav",
        "split": "train",
        "group": "piano",
        "license": "CC0-1.0",
        "content_hash": "v1",
    }


def test_features_are_added_without_touching_the_audio() -> None:
    latents = np.random.default_rng(1).standard_normal((3, 32, 4)).astype(np.float32)
    with Store.open("store", "a") as store:
        store.put_source(record(), chunks())
        keys = store.keys()
        store.write_many([(key, {"latents/abc": row}) for key, row in zip(keys, latents, strict=True)], batch_size=2)
        assert [store.has(key, "latents/abc") for key in keys] == [True] * 3
        assert not store.has(keys[0], "latents/other")
        assert store.names(keys[0]) == ["audio", "latents/abc"]
        np.testing.assert_array_equal(store.read(keys[2], ["latents/abc"])["latents/abc"], latents[2])
        np.testing.assert_array_equal(store.read_slice(keys[2], "latents/abc", 1, 3), latents[2][:, 1:3])
        store.update(keys[0], {"latents/abc": latents[1]})
        np.testing.assert_array_equal(store.read(keys[0])["latents/abc"], latents[1])


def test_features_for_an_unknown_chunk_write_nothing() -> None:
    with Store.open("store", "a") as store:
        store.put_source(record(), chunks())
        with pytest.raises(DataError, match="no chunk 'nobody'"):
            store.write_many([(store.keys()[0], {"x": np.zeros(3)}), ("nobody", {"x": np.zeros(3)})])
        assert not store.has(store.keys()[0], "x")


def test_a_new_version_replaces_the_old_chunks() -> None:
    with Store.open("store", "a") as store:
        store.put_source(record(num_chunks=3), chunks(3))
        old_key = store.keys()[0]
        store.put_source(record(version="v2", num_chunks=1), chunks(1, seed=5))
        assert len(store.keys()) == 1
        assert not store.has(old_key, "audio")
        with pytest.raises(DataError, match="no chunk"):
            store.metadata(old_key)


def test_a_refused_file_stays_as_it_was_and_can_come_back() -> None:
    with Store.open("store", "a") as store:
        store.put_source(record(), chunks())
        keys = store.keys()
        store.put_skipped(record().source, "silent")
        assert store.keys() == keys
        assert store.skipped() == [{"source": record().source, "reason": "silent"}]
        store.put_source(record(), chunks())
        assert store.skipped() == []


def test_an_interrupted_source_is_invisible_and_swept() -> None:
    def interrupted() -> list[Chunk]:
        yield from chunks(80, num_samples=1 << 19)  # 80 MiB: more than one transaction
        raise KeyboardInterrupt

    with Store.open("store", "a") as store:
        store.put_source(record("set/piano/whole.wav"), chunks())
        with pytest.raises(KeyboardInterrupt):
            store.put_source(record("set/piano/long.wav", num_chunks=80), interrupted())
        assert [entry.source for entry in store.sources()] == ["set/piano/whole.wav"]
        assert store.drop_orphans() > 0
        assert store.drop_orphans() == 0
        assert len(store.keys()) == 3


def test_the_map_grows_by_itself_past_its_first_size() -> None:
    with Store.open("store", "a") as store:
        for index in range(3):
            store.put_source(record(f"set/piano/{index}.wav", num_chunks=40), chunks(40, num_samples=1 << 19))
    assert Path("store/data.mdb").stat().st_size > 100_000_000
    with Store.open("store") as store:
        assert len(store.keys()) == 120
        assert store.read(store.keys()[-1])["audio"].size == 1 << 19


def test_a_reader_follows_a_writer_in_another_process() -> None:
    with Store.open("store", "a") as store:
        store.put_source(record("set/piano/0.wav"), chunks())
    with Store.open("store") as reader:
        assert len(reader.sources()) == 1
        writer = multiprocessing.get_context("spawn").Process(target=write_another, args=("store",))
        writer.start()
        writer.join(30)
        assert writer.exitcode == 0
        assert len(reader.sources()) == 2
        np.testing.assert_array_equal(reader.read(reader.keys()[0])["audio"], chunks()[0].arrays["audio"])


def write_another(path: str) -> None:
    with Store.open(path, "a") as store:
        store.put_source(record("set/piano/1.wav"), chunks())


def test_what_is_not_a_store_is_refused() -> None:
    with pytest.raises(DataError, match="prepare_dataset"):
        Store.open("nothing")
    Path("folder").mkdir()
    Path("folder/file.txt").touch()
    with pytest.raises(DataError, match="not a data store"):
        Store.open("folder", "a")
    Path("broken").mkdir()
    Path("broken/data.mdb").write_bytes(b"nonsense" * 2000)
    with pytest.raises(DataError, match="cannot be opened"):
        Store.open("broken")


def set_schema_version(version: int) -> None:
    with lmdb.open("store", map_size=1 << 30) as environment, environment.begin(write=True) as transaction:
        manifest = json.loads(transaction.get(b"manifest")) | {"schema_version": version}
        transaction.put(b"manifest", json.dumps(manifest).encode())


def test_another_schema_version_is_refused() -> None:
    with Store.open("store", "a") as store:
        store.write_manifest({"sample_rate": 44_100})
        assert store.manifest == {"schema_version": 2, "sample_rate": 44_100}
    for version in (0, 99):
        set_schema_version(version)
        with pytest.raises(DataError, match=f"schema version {version}"):
            Store.open("store")


def test_a_store_of_version_1_can_be_read_and_continued() -> None:
    with Store.open("store", "a") as store:
        store.put_source(record(), chunks())
        store.write_manifest({"sample_rate": 44_100})
    set_schema_version(1)
    with Store.open("store") as store:
        assert store.manifest["schema_version"] == 1
        assert len(store.keys()) == 3
        assert store.sources()[0].kind == "recording"
    with Store.open("store", "a") as store:
        store.write_manifest(store.manifest)
        assert store.manifest["schema_version"] == 2


def test_a_store_opened_for_reading_does_not_write() -> None:
    with Store.open("store", "a") as store:
        store.put_source(record(), chunks())
    with Store.open("store") as store, pytest.raises(DataError, match="opened for reading"):
        store.update(store.keys()[0], {"x": np.zeros(3)})

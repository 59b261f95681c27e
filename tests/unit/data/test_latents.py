"""Latents of a store: those of the codec, named after it, computed once, and continued after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch

from after.codec.autoencoder import Codec
from after.codec.build import build_codec
from after.data.extract.latents import codec_hash, encode_store
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store
from after.errors import DataError
from after.settings import CodecSettings
from tests.unit.data.audio_folder import save, sine

CHUNK_SAMPLES = 4_096


def tiny_codec(seed: int = 0, *, latent_stride: int = 2, sample_rate: int = 44_100, encoder_window: int = 192) -> Codec:
    torch.manual_seed(seed)
    settings = CodecSettings(
        sample_rate=sample_rate,
        frame_hop=64,
        latent_stride=latent_stride,
        encoder_window=encoder_window,
        encoder_fall=16,
        decoder_window=128,
        num_latents=3,
        decoder_width=6,
        decoder_blocks=(1, 1),
    )
    return build_codec(settings).eval()


def make_store(*chunk_counts: int) -> None:
    """Recordings of so many chunks, and a last one of two that is not filled."""
    for index, num_chunks in enumerate(chunk_counts):
        num_samples = num_chunks * CHUNK_SAMPLES
        save(f"set/a/{index:03d}.wav", sine(300, num_samples / 44_100) * np.linspace(0, 1, num_samples))
    save("set/a/last.wav", sine(300, 2 * CHUNK_SAMPLES / 44_100)[: 2 * CHUNK_SAMPLES - 500])
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "validation": 0.0, "min_seconds": 0.01},
    )


def test_they_are_what_the_codec_gives_for_the_whole_recording() -> None:
    make_store(11)
    codec = tiny_codec()
    with Store.open("store", "a") as store:
        name = encode_store(store, codec)
        for record in store.sources():
            chunks = [store.read(key, ("audio", name)) for key in record.chunk_keys()]
            audio = np.concatenate([chunk["audio"] for chunk in chunks]).astype(np.float32) / 32768.0
            with torch.no_grad():
                expected = codec.encode(torch.from_numpy(audio)[None, None])[0].T.numpy()
            for chunk in chunks:
                assert chunk[name].shape == (CHUNK_SAMPLES // codec.hop_length, 3)
                assert chunk[name].dtype == np.float16
            rows = np.concatenate([chunk[name] for chunk in chunks])
            np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-3)  # float16 has 11 bits


def test_each_recording_says_what_its_latents_are() -> None:
    make_store(3)
    codec = tiny_codec()
    with Store.open("store", "a") as store:
        name = encode_store(store, codec)
        for record in store.sources():
            feature = store.features.get(record, name)
            assert feature is not None
            assert feature.settings == {"codec": codec_hash(codec), "hop_length": 128, "num_latents": 3}


def test_an_interrupted_call_goes_on_where_it_was() -> None:
    make_store(*[3] * 30)
    codec, seen = tiny_codec(), []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= 80:
            raise KeyboardInterrupt

    with Store.open("store", "a") as store:
        with pytest.raises(KeyboardInterrupt):
            encode_store(store, codec, progress=interrupt)
        assert seen == [(done, 92) for done in range(1, 81)]
        name = f"latents/{codec_hash(codec)}"
        complete = [record for record in store.sources() if store.features.get(record, name)]
        assert len(complete) == 26
        assert all(store.has(key, name) for record in complete for key in record.chunk_keys())
        seen.clear()
        assert encode_store(store, codec, progress=lambda done, total: seen.append((done, total))) == name
        assert seen == [(done, 92) for done in range(79, 93)]
        assert all(store.has(key, name) for key in store.keys("train"))


def test_what_is_there_is_not_computed_again() -> None:
    make_store(3)
    codec = tiny_codec()
    with Store.open("store", "a") as store:
        name = encode_store(store, codec)
    with Store.open("store", "r") as store:  # nothing to write, so reading is enough
        assert encode_store(store, codec, progress=lambda done, total: pytest.fail("encoded again")) == name


def test_the_name_follows_what_decides_latents() -> None:
    codec = tiny_codec()
    name = codec_hash(codec)
    assert codec_hash(tiny_codec(seed=1)) == name  # only the decoder's weights are drawn
    assert codec_hash(tiny_codec(latent_stride=1)) != name
    assert codec_hash(tiny_codec(sample_rate=48_000)) != name


def test_the_statistics_of_the_latents_count_too() -> None:
    codec = tiny_codec()
    before = codec_hash(codec)
    (mean,) = [buffer for name, buffer in codec.encoder.named_buffers() if name.endswith("mean")]
    mean.add_(0.5)
    assert codec_hash(codec) != before


def test_two_codecs_lie_side_by_side() -> None:
    make_store(3)
    with Store.open("store", "a") as store:
        first, second = encode_store(store, tiny_codec()), encode_store(store, tiny_codec(encoder_window=256))
        assert set(store.names(store.keys()[0])) == {"audio", first, second}


def test_a_store_that_does_not_fit_is_refused() -> None:
    make_store(3)
    with Store.open("store", "a") as store:
        with pytest.raises(DataError, match="hop length 192: prepare"):
            encode_store(store, tiny_codec(latent_stride=3))
        with pytest.raises(DataError, match="44100 Hz, the codec runs at 48000 Hz"):
            encode_store(store, tiny_codec(sample_rate=48_000))
    with Store.open("empty", "a") as store, pytest.raises(DataError, match="after prepare_dataset"):
        encode_store(store, tiny_codec())

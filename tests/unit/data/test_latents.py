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


def make_store(num_chunks: int) -> None:
    tone = sine(300, num_chunks * CHUNK_SAMPLES / 44_100) * np.linspace(0, 1, num_chunks * CHUNK_SAMPLES)
    save("set/a/a.wav", tone)
    save("set/a/b.wav", tone[: 2 * CHUNK_SAMPLES - 500])
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "validation": 0.0, "min_seconds": 0.01},
    )


def test_they_are_what_the_codec_gives_for_each_chunk() -> None:
    make_store(11)
    codec = tiny_codec()
    with Store.open("store", "a") as store:
        name = encode_store(store, codec)
        assert len(store.keys()) == 13
        for key in store.keys("train"):
            arrays = store.read(key, ("audio", name))
            audio = torch.from_numpy(arrays["audio"].astype(np.float32) / 32768.0)
            with torch.no_grad():
                expected = codec.encode(audio[None, None])[0].T.numpy()
            assert arrays[name].shape == (CHUNK_SAMPLES // codec.hop_length, 3)
            assert arrays[name].dtype == np.float16
            np.testing.assert_allclose(arrays[name], expected, rtol=2e-3, atol=2e-3)


def test_an_interrupted_call_goes_on_where_it_was() -> None:
    make_store(90)
    codec, seen = tiny_codec(), []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= 80:
            raise KeyboardInterrupt

    with Store.open("store", "a") as store:
        with pytest.raises(KeyboardInterrupt):
            encode_store(store, codec, progress=interrupt)
        name = f"latents/{codec_hash(codec)}"
        written = {key for key in store.keys("train") if store.has(key, name)}
        assert 0 < len(written) < 92
        seen.clear()
        assert encode_store(store, codec, progress=lambda done, total: seen.append((done, total))) == name
        assert seen[0][0] > len(written)
        assert seen[-1] == (92, 92)
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

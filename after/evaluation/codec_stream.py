"""Whether a codec's stream equals the whole sequence, and how late it sounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.codec.load import AnyCodec
from after.codec.speed import round_block, script_codec
from after.codec.streamer import CodecStreamer
from after.streaming.archive import pack, unpack
from after.streaming.lag import find_lag
from after.streaming.stepping import run_blocks

FloatAudio = NDArray[np.float32]

MAX_STREAM_ERROR = 1e-4
"""Largest difference between a stream and the whole sequence that counts as equal, full scale = 1."""

BLOCK_SIZES = (1024, 2048, 4096)
MIXED_SIZES = (1024, 3072, 2048, 1024, 4096)
"""Samples per block that are tried, alone and one after the other; rounded up to what the codec takes."""

_NUM_FRAMES = 32
_POSITIONS = 16
_ENVELOPE_S = 0.002


@dataclass(frozen=True, slots=True)
class StreamErrors:
    """Largest differences between streams and the whole sequence, relative to peaks above 1.

    Attributes:
        run: `Python`, `TorchScript`, or `saved and loaded`.
        blocks: samples per block that were asked for, in words.
        encode: of latents.
        decode: of audio, decoded from the same latents.
        both: of audio through both.
    """

    run: str
    blocks: str
    encode: float
    decode: float
    both: float

    @property
    def worst(self) -> float:
        """The largest of them; NaN if one is."""
        return float(np.max([self.encode, self.decode, self.both]))


@dataclass(frozen=True, slots=True)
class MeasuredLatency:
    """How the output of a stream, in blocks of the least size, lies behind its input.

    A sample of the output counts from the moment at which the sample of the same number went in; that a block can only
    be computed when it has come in as a whole, which adds up to a block in real time, is the host's buffer.

    Attributes:
        first_change_samples: from a changed input sample to the first output sample that changes, least and most over
            positions in the hop. It may be negative, when a frame's first sample depends on its last.
        waveform_samples: at which the cross-correlation of the waveforms is largest, for notes with an attack; means
            nothing for a codec that does not keep phases.
        envelope_samples: the same for the rising envelopes, which does.
    """

    first_change_samples: tuple[int, int] | None
    waveform_samples: int
    envelope_samples: int


def compare_streams(codec: AnyCodec, scripted: torch.jit.ScriptModule | None = None) -> list[StreamErrors]:
    """Stream noise in several ways, and compare with the whole sequence, late by the latency that the codec declares.

    Args:
        codec: in evaluation mode.
        scripted: its compiled stream, from `after.codec.speed.script_codec`; made if not given.

    Returns:
        one entry for each way of running and each division into blocks.

    Raises:
        ExportError: if TorchScript refuses the codec.
    """
    scripted = script_codec(codec) if scripted is None else scripted
    runs = {
        "Python": CodecStreamer(codec).eval(),
        "TorchScript": scripted,
        "saved and loaded": unpack(pack(scripted, {})),
    }
    asked: dict[str, tuple[int, ...]] = {str(size): (size,) for size in BLOCK_SIZES} | {"mixed": MIXED_SIZES}
    divisions = {blocks: [round_block(codec, size) for size in sizes] for blocks, sizes in asked.items()}
    return _compare(codec, runs, divisions)


@torch.inference_mode()
def _compare(codec: AnyCodec, runs: Mapping[str, Any], divisions: Mapping[str, Sequence[int]]) -> list[StreamErrors]:
    hop = codec.hop_length
    generator = torch.Generator().manual_seed(0)
    audio = 0.1 * torch.randn(1, 1, round_block(codec, _NUM_FRAMES * 1024), generator=generator)
    latents = codec.encode(audio)
    whole = codec.decode(latents)
    frame_lag, lag = codec.encoder.latency, codec.latency_samples
    found = []
    for run, streamer in runs.items():
        for blocks, sizes in divisions.items():
            errors = []
            frames = [size // hop for size in sizes]
            for method, x, steps, target, late in (
                (streamer.encode, audio, sizes, latents, frame_lag),
                (streamer.decode, latents, frames, whole, lag - frame_lag * hop),
                (streamer.forward, audio, sizes, whole, lag),
            ):
                streamer.set_reset(1)
                errors.append(_difference(run_blocks(method, x, steps), target, late))
            found.append(StreamErrors(run, blocks, *errors))
    return found


def _difference(streamed: Tensor, whole: Tensor, lag: int) -> float:
    error = (streamed[:, :, lag:] - whole[:, :, : whole.size(2) - lag]).abs().max()
    return float(error / whole.abs().max().clamp_min(1.0))


def measure_latency(codec: AnyCodec) -> MeasuredLatency:
    """Measure by changing single samples, and by cross-correlation of notes with their reconstruction."""
    notes = _plucked_notes(codec)
    audio = torch.from_numpy(notes)[None]
    with torch.inference_mode():
        streamed = run_blocks(CodecStreamer(codec).eval(), audio, (round_block(codec, 1),))[0, 0].numpy()
    envelopes = [_rise(x, round(_ENVELOPE_S * codec.sample_rate)) for x in (notes[0], streamed)]
    return MeasuredLatency(
        first_change_samples=find_first_change(codec),
        waveform_samples=find_lag(notes[0], streamed),
        envelope_samples=find_lag(*envelopes),
    )


@torch.inference_mode()
def find_first_change(codec: AnyCodec) -> tuple[int, int] | None:
    """Give the least and the most samples from a changed input sample to the first change of the streamed output.

    The same arithmetic on the same numbers gives the same bits, so any difference counts.

    Returns:
        None if no change ever came out.
    """
    block = round_block(codec, 1)
    generator = torch.Generator().manual_seed(0)
    before = max(2, round_block(codec, 8192) // block)
    length = (2 * before + -(-codec.latency_samples // block)) * block
    audio = 0.1 * torch.randn(1, 1, length, generator=generator)
    streamer = CodecStreamer(codec).eval()
    wanted = run_blocks(streamer, audio, (block,))
    found = []
    for place in np.linspace(0, block - 1, _POSITIONS).round().astype(int):
        position = before * block + int(place)
        changed = audio.clone()
        changed[0, 0, position] += 0.5
        streamer.set_reset(1)
        moved = (run_blocks(streamer, changed, (block,)) != wanted).flatten().nonzero()
        if len(moved):
            found.append(int(moved[0]) - position)
    return (min(found), max(found)) if found else None


def _plucked_notes(codec: AnyCodec) -> FloatAudio:
    """Give a few decaying notes [1, T], each starting at once, at times that no frame divides."""
    rate = codec.sample_rate
    audio = np.zeros(round_block(codec, 2 * rate), dtype=np.float64)
    generator = np.random.default_rng(0)
    for number, hz in enumerate((220.0, 330.0, 277.2, 440.0, 246.9)):
        start = round((0.1 + 0.33 * number) * rate) + 137 * number
        time_s = np.arange(round(0.3 * rate)) / rate
        tone = sum(np.sin(2 * np.pi * hz * k * time_s + k) / k for k in range(1, 9))
        noise = generator.standard_normal(time_s.size) * np.exp(-400.0 * time_s)
        audio[start : start + time_s.size] += 0.2 * (tone + noise) * np.exp(-12.0 * time_s)
    return audio[None].astype(np.float32)


def _rise(audio: FloatAudio, width: int) -> FloatAudio:
    """Give how fast the envelope rises, 0 where it falls."""
    envelope = np.convolve(np.abs(audio), np.hanning(width), mode="same")
    return np.maximum(np.diff(envelope, prepend=0.0), 0.0).astype(np.float32)

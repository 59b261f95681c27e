"""The runtime: load an instrument, choose a timbre, play notes offline or block by block."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from after.checkpoint import load_into, read_checkpoint
from after.codec.autoencoder import Codec, build_codec
from after.conditioning.roll import NUM_PITCHES, ROLL_CHANNELS, onset_value
from after.config import from_dict
from after.diffusion.noise import frame_noise
from after.errors import CheckpointError, InstrumentError
from after.midi import Note
from after.model import Model, branches_needed, build_model
from after.settings import CodecSettings, ModelSettings

BUNDLED = Path(__file__).parent / "pretrained" / "midi.safetensors"
_BLOCK_FRAMES = 64
_MIN_TIMBRE_FRAMES = 8


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """A note switched on or off inside a block.

    Attributes:
        offset_samples: from the start of the block.
        pitch: MIDI number 0-127.
        velocity: 1-127 on, 0 off.
    """

    offset_samples: int
    pitch: int
    velocity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Attributes:
    """What a player may change while the instrument runs; values out of range are clamped.

    Attributes:
        num_steps: sampler steps, 1 to 64; more is slower and finer.
        guidance_structure: 1 follows the model, more exaggerates what is played; 0 to 10.
        guidance_timbre: likewise for the timbre.
        temperature: standard deviation of the noise, 0 to 2.
        transpose: semitones added to every note, -48 to 48.
    """

    num_steps: int = 4
    guidance_structure: float = 1.0
    guidance_timbre: float = 1.0
    temperature: float = 1.0
    transpose: int = 0

    def __post_init__(self) -> None:
        """Clamp to the ranges."""
        limits = {"num_steps": (1, 64), "guidance_structure": (0, 10), "guidance_timbre": (0, 10)}
        limits |= {"temperature": (0, 2), "transpose": (-48, 48)}
        for name, (low, high) in limits.items():
            value = min(max(getattr(self, name), low), high)
            object.__setattr__(self, name, round(value) if name in ("num_steps", "transpose") else float(value))


class Instrument:
    """A playable instrument: codec, generative model and named timbres.

    One object plays one stream; it is not safe to share between threads.

    Attributes:
        sample_rate: Hz.
        hop_length: samples per frame.
        num_latents: of the codec, D.
        latency_samples: from a note event to its sound, beside the host's buffer.
        timbres: names that `set_timbre` takes.
        manifest: settings and description.
    """

    def __init__(self, codec: Codec, model: Model, timbres: Mapping[str, torch.Tensor], manifest: Mapping[str, object]):
        """Use `Instrument.load`."""
        self._codec = codec.eval()
        self._model = model.eval()
        self._presets = dict(timbres)
        self.sample_rate = codec.sample_rate
        self.hop_length = codec.hop_length
        self.num_latents = codec.num_latents
        self.latency_samples = codec.hop_length + codec.latency_samples
        self.timbres = tuple(timbres)
        self.manifest = manifest
        self.attributes = Attributes()
        self._timbre = next(iter(timbres.values())) if timbres else torch.zeros(model.timbre_size)
        self.reset()

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Load an instrument.

        Args:
            path: an instrument file (.safetensors); None takes the bundled instrument.

        Raises:
            InstrumentError: if nothing is there.
            CheckpointError: if the file holds something else.
        """
        path = BUNDLED if path is None else Path(path)
        if not path.is_file():
            raise InstrumentError(f"there is no instrument at {path}: name a .safetensors file of a trained instrument")
        tensors, snapshot = read_checkpoint(path)
        if snapshot.get("kind") != "instrument":
            raise CheckpointError(f"{path} holds a {snapshot.get('kind', 'model')}, not an instrument")
        codec_settings = from_dict(CodecSettings, _table(snapshot, "codec"))
        codec = build_codec(codec_settings)
        model = build_model(from_dict(ModelSettings, _table(snapshot, "model")), codec_settings.num_latents)
        load_into(codec, _under("codec.", tensors))
        load_into(model, _under("model.", tensors))
        timbres = {name: vector.float() for name, vector in _under("timbres.", tensors).items()}
        instrument = cls(codec, model, timbres, snapshot)
        if "attributes" in snapshot:
            instrument.set(**_table(snapshot, "attributes"))  # type: ignore[arg-type]
        return instrument

    def set_timbre(self, timbre: str | NDArray[np.float32]) -> None:
        """Choose the timbre.

        Args:
            timbre: a preset's name, audio [C, T] at `sample_rate`, or a vector [E] within +-1.

        Raises:
            InstrumentError: unknown name, audio shorter than about 0.2 s, or a vector of another size.
        """
        if isinstance(timbre, str):
            self._timbre = self._preset(timbre)
        elif timbre.ndim == 1:
            if timbre.size != self._model.timbre_size:
                raise InstrumentError(f"a timbre has {self._model.timbre_size} numbers, {timbre.size} were given")
            self._timbre = torch.from_numpy(np.ascontiguousarray(timbre, dtype=np.float32))
        else:
            self._timbre = self._encode_timbre(timbre)

    @property
    def timbre(self) -> NDArray[np.float32]:
        """Give the timbre in use, [E] within +-1."""
        return np.array(self._timbre.numpy())

    def set(self, **attributes: float) -> None:
        """Change attributes (see `Attributes`); a change of steps or guidance starts the stream's memory anew.

        Raises:
            InstrumentError: if there is no such attribute.
        """
        unknown = set(attributes) - set(Attributes.__dataclass_fields__)
        if unknown:
            known = ", ".join(Attributes.__dataclass_fields__)
            raise InstrumentError(f"no attribute {', '.join(sorted(unknown))}; there are {known}")
        before = self._state_shape()
        self.attributes = replace(self.attributes, **attributes)  # type: ignore[arg-type]
        if self._state_shape() != before:
            self._model_state = self._model.init_state(1, *self._state_shape())

    def reset(self, seed: int = 0) -> None:
        """Forget everything played and begin the noise of `seed` anew."""
        self._seeds = torch.tensor([seed], dtype=torch.int64)
        self._frame = 0
        self._held: dict[int, int] = {}
        self._pending: list[NoteEvent] = []
        self._filled = 0
        self._ready = np.zeros((1, self.hop_length), dtype=np.float32)
        self._model_state = self._model.init_state(1, *self._state_shape())
        self._decoder_state = self._codec.decoder.init_state(1)

    def process(self, num_samples: int, events: Sequence[NoteEvent] = ()) -> NDArray[np.float32]:
        """Play one block of a stream.

        Args:
            num_samples: of this block, any number; frames are computed whenever `hop_length` samples have come in.
            events: in order of their offsets.

        Returns:
            audio [1, num_samples], `latency_samples` behind the events.
        """
        queue = sorted(events, key=lambda event: event.offset_samples)
        rows: list[NDArray[np.float32]] = []
        ready = self._ready[:, self._filled :]
        done = 0
        while done < num_samples:
            take = min(num_samples - done, self.hop_length - self._filled)
            while queue and queue[0].offset_samples < done + take:
                event = queue.pop(0)
                self._pending.append(replace(event, offset_samples=event.offset_samples - done + self._filled))
            self._filled += take
            done += take
            if self._filled == self.hop_length:
                rows.append(self._frame_of_events())
                self._filled = 0
        if rows:
            # Frames that came in together are played together, which is quicker than one by one.
            blocks = [np.stack(rows[i : i + _BLOCK_FRAMES]) for i in range(0, len(rows), _BLOCK_FRAMES)]
            ready = np.concatenate([ready, *map(self._play, blocks)], axis=1)
            self._ready = ready[:, -self.hop_length :]
        return ready[:, :num_samples].copy()

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decode the codec's latents [L, D] by themselves, from silence; the stream that is playing goes on unchanged.

        Returns:
            audio [1, L * hop_length], without the codec's latency.
        """
        with torch.inference_mode():
            audio = self._codec.decoder(torch.from_numpy(latents)[None])
        return np.ascontiguousarray(audio[:, :, 0].numpy())

    def render(
        self,
        notes: Sequence[Note],
        duration_s: float,
        *,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> NDArray[np.float32]:
        """Play notes from the start, latency taken out.

        Args:
            notes: any order.
            duration_s: of the result.
            seed: of the noise; the same seed gives the same audio.
            progress: called with fractions 0..1.

        Returns:
            audio [1, duration_s * sample_rate].
        """
        self.reset(seed)
        num_samples = round(duration_s * self.sample_rate)
        lag = self._codec.latency_samples
        num_frames = math.ceil((num_samples + lag) / self.hop_length)
        by_frame: dict[int, list[NoteEvent]] = {}
        for event in _events_of(notes, self.sample_rate):
            frame, offset = divmod(event.offset_samples, self.hop_length)
            by_frame.setdefault(frame, []).append(replace(event, offset_samples=offset))
        output: list[NDArray[np.float32]] = []
        for start in range(0, num_frames, _BLOCK_FRAMES):
            rows = []
            for frame in range(start, min(start + _BLOCK_FRAMES, num_frames)):
                self._pending = by_frame.get(frame, [])
                rows.append(self._frame_of_events())
            output.append(self._play(np.stack(rows)))
            if progress is not None:
                progress(min(1.0, (start + _BLOCK_FRAMES) / num_frames))
        audio = np.concatenate(output, axis=1) if output else np.zeros((1, lag), dtype=np.float32)
        self.reset(seed)
        return audio[:, lag : lag + num_samples]

    def _state_shape(self) -> tuple[int, int]:
        wanted = self.attributes
        return wanted.num_steps, len(branches_needed(wanted.guidance_structure, wanted.guidance_timbre))

    def _preset(self, name: str) -> torch.Tensor:
        if name not in self._presets:
            near = get_close_matches(name, self._presets, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InstrumentError(f"no timbre {name!r}{hint}; there are {', '.join(self._presets)}")
        return self._presets[name]

    @torch.no_grad()
    def _encode_timbre(self, audio: NDArray[np.float32]) -> torch.Tensor:
        mono = audio.mean(axis=0, dtype=np.float32)
        num_frames = mono.size // self.hop_length
        if num_frames < _MIN_TIMBRE_FRAMES:
            raise InstrumentError(f"{mono.size} samples are too short for a timbre: give a second or more")
        whole = torch.from_numpy(mono[: num_frames * self.hop_length].copy())[None, None]
        timbre: torch.Tensor = self._model.timbre_encoder(self._codec.encode(whole).transpose(1, 2))
        return timbre[0]

    def _frame_of_events(self) -> NDArray[np.float32]:
        """Turn the events of one frame into its structure [256]; what is held at its end goes on sounding."""
        row = np.zeros(ROLL_CHANNELS, dtype=np.float32)
        for pitch, velocity in self._held.items():
            row[pitch] = velocity / 127.0
        for event in self._pending:
            pitch = event.pitch + self.attributes.transpose
            if not 0 <= pitch < NUM_PITCHES:
                continue
            if event.velocity == 0:
                self._held.pop(pitch, None)
                if event.offset_samples == 0 and row[NUM_PITCHES + pitch] == 0:
                    row[pitch] = 0.0
            else:
                self._held[pitch] = event.velocity
                row[pitch] = event.velocity / 127.0
                row[NUM_PITCHES + pitch] = onset_value(event.offset_samples / self.hop_length)
        self._pending = []
        return row

    @torch.inference_mode()
    def _play(self, structure: NDArray[np.float32]) -> NDArray[np.float32]:
        """Play structure frames [L, 256] to audio [1, L * hop_length], lagging by the codec's latency."""
        wanted = self.attributes
        first = torch.tensor(self._frame)
        noise = wanted.temperature * frame_noise(self._seeds, first, len(structure), self._model.num_latents)
        latents, self._model_state = self._model.step(
            torch.from_numpy(structure)[None],
            self._timbre[None, None],
            noise,
            wanted.num_steps,
            wanted.guidance_structure,
            wanted.guidance_timbre,
            self._model_state,
        )
        audio, self._decoder_state = self._codec.decoder.step(latents, self._decoder_state)
        self._frame += len(structure)
        return np.ascontiguousarray(audio[:, :, 0].numpy())


def _events_of(notes: Sequence[Note], sample_rate: int) -> list[NoteEvent]:
    """Give the on and off events of notes, offs before ons at the same sample, offsets from the very start."""
    events: list[NoteEvent] = []
    for note in notes:
        start = round(note.onset_s * sample_rate)
        end = max(start + 1, round((note.onset_s + note.duration_s) * sample_rate))
        events.append(NoteEvent(start, note.pitch, note.velocity))
        events.append(NoteEvent(end, note.pitch, 0))
    return sorted(events, key=lambda event: (event.offset_samples, event.velocity > 0))


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _table(snapshot: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = snapshot.get(key)
    if not isinstance(value, dict):
        raise CheckpointError(f"the instrument's description has no table {key!r}: the file is damaged")
    return value

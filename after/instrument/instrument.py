"""The playable object: named timbres, attributes, streaming and rendering."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

import after
from after.conditioning.timbre_map import TimbreMap
from after.errors import InstrumentError
from after.instrument.attributes import Attributes
from after.instrument.events import HeldNotes, NoteEvent, events_of
from after.instrument.loading import LoadedInstrument, load_engine, table_of
from after.midi import Note

BUNDLED = Path(after.__file__).parent / "pretrained" / "midi.safetensors"
_BLOCK_FRAMES = 64
_MIN_TIMBRE_FRAMES = 8
_NUM_SEEDS = 2**31


class Instrument:
    """A playable instrument: codec, generative model and named timbres.

    One object plays one stream; it is not safe to share between threads.

    Attributes:
        sample_rate: Hz.
        hop_length: samples per frame.
        num_latents: of the codec, D.
        latency_samples: from a note event to its sound, beside the host's buffer.
        timbres: names that `set_timbre` takes.
        has_map: whether it has a map of timbres, for `timbre_at`, `set_timbre_at` and `locate`.
        map_positions: places (x, y) of the named timbres on it, within +-1.
        manifest: settings and description.
        attributes: how it plays; change them with `set`.
    """

    def __init__(self, loaded: LoadedInstrument) -> None:
        """Use `Instrument.load`."""
        self._engine = loaded.engine
        self._presets = dict(loaded.timbres)
        self._timbre_size = loaded.timbre_size
        self._lag_samples = loaded.codec_latency_samples
        self.sample_rate = loaded.sample_rate
        self.hop_length = loaded.hop_length
        self.num_latents = loaded.num_latents
        self.latency_samples = loaded.hop_length + loaded.codec_latency_samples
        self.timbres = tuple(self._presets)
        self._map = loaded.timbre_map
        self.has_map = self._map is not None
        self.map_positions = dict(loaded.positions)
        self.manifest = loaded.manifest
        self.attributes = Attributes()
        self._timbre = next(iter(self._presets.values()), torch.zeros(loaded.timbre_size))
        self.set(**table_of(self.manifest, "attributes") if "attributes" in self.manifest else {})  # type: ignore[arg-type]
        self.reset()

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Load an instrument.

        Args:
            path: an instrument's weights (.safetensors) or an exported file (.ts); None takes the bundled instrument.

        Raises:
            InstrumentError: if nothing is there, or an exported file is damaged or no instrument.
            CheckpointError: if a weights file is damaged or holds something else.
        """
        return cls(load_engine(BUNDLED if path is None else Path(path)))

    def set_timbre(self, timbre: str | NDArray[np.float32]) -> None:
        """Choose the timbre.

        Args:
            timbre: a preset's name, audio [C, T] at `sample_rate`, or a vector [E] within +-1.

        Raises:
            InstrumentError: unknown name, audio shorter than about 0.2 s, a vector of another size, or numbers that are
                not finite.
        """
        self._timbre = self._vector(timbre)

    @property
    def timbre(self) -> NDArray[np.float32]:
        """Give the timbre in use, [E] within +-1."""
        return np.array(self._timbre.numpy())

    def set_timbre_at(self, x: float, y: float) -> None:
        """Choose the timbre at a place of the map; raises as `timbre_at` does."""
        self._timbre = torch.from_numpy(self.timbre_at(x, y))

    def timbre_at(self, x: float, y: float) -> NDArray[np.float32]:
        """Give the timbre [E] at a place of the map; beyond +-1 that of the edge.

        Raises:
            InstrumentError: if the instrument has no map, or a coordinate is no number.
        """
        timbre_map = self._need_map()
        if math.isnan(x) or math.isnan(y):
            raise InstrumentError(f"the place ({x}, {y}) is NaN: give numbers from -1 to 1")
        with torch.inference_mode():
            return np.array(timbre_map(torch.tensor([[x, y]], dtype=torch.float32))[0].numpy())

    def locate(self, timbre: str | NDArray[np.float32]) -> tuple[float, float]:
        """Give the place (x, y) of the map whose timbre is nearest to one, which is given as to `set_timbre`.

        Raises:
            InstrumentError: if the instrument has no map, or `set_timbre` would refuse the timbre.
        """
        timbre_map = self._need_map()
        if isinstance(timbre, str) and timbre in self.map_positions:
            return self.map_positions[timbre]
        with torch.inference_mode():
            x, y = timbre_map.locate(self._vector(timbre)[None])[0].tolist()
        return x, y

    def set(self, **attributes: float) -> None:
        """Change attributes (see `Attributes`); a change of steps or guidance starts the network's memory anew.

        Raises:
            InstrumentError: if there is no such attribute, or a value is no number.
        """
        known = [field.name for field in fields(Attributes)]
        unknown = set(attributes) - set(known)
        if unknown:
            raise InstrumentError(f"no attribute {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        self.attributes = replace(self.attributes, **attributes)  # type: ignore[arg-type]
        for name in known:
            getattr(self._engine, f"set_{name}")(getattr(self.attributes, name))

    def reset(self, seed: int = 0) -> None:
        """Forget everything played and begin the noise of `seed` anew."""
        self._engine.set_seed(seed % _NUM_SEEDS)
        self._engine.set_reset(1)
        self._held = HeldNotes(self.hop_length)
        self._pending: list[NoteEvent] = []
        self._filled = 0
        self._ready = np.zeros((1, self.hop_length), dtype=np.float32)

    def process(self, num_samples: int, events: Sequence[NoteEvent] = ()) -> NDArray[np.float32]:
        """Play one block of a stream.

        Args:
            num_samples: of this block, any number; frames are computed whenever `hop_length` samples have come in.
            events: in this block.

        Returns:
            audio [1, num_samples], `latency_samples` behind the events.

        Raises:
            InstrumentError: if an event lies outside of the block.
        """
        queue = sorted(events, key=lambda event: event.offset_samples)
        if queue and not 0 <= queue[0].offset_samples <= queue[-1].offset_samples < num_samples:
            raise InstrumentError(
                f"events lie at {queue[0].offset_samples} to {queue[-1].offset_samples} samples, the block has "
                f"{num_samples}: give each event to the block in which it happens"
            )
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
                rows.append(self._held.frame(self._pending))
                self._pending = []
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
            audio = self._engine.decode_alone(torch.from_numpy(latents).t()[None])
        return np.ascontiguousarray(audio[0].numpy())

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
        num_frames = math.ceil((num_samples + self._lag_samples) / self.hop_length)
        by_frame: dict[int, list[NoteEvent]] = {}
        for event in events_of(notes, self.sample_rate):
            frame, offset = divmod(event.offset_samples, self.hop_length)
            by_frame.setdefault(frame, []).append(replace(event, offset_samples=offset))
        output = [np.zeros((1, 0), dtype=np.float32)]
        for start in range(0, num_frames, _BLOCK_FRAMES):
            stop = min(start + _BLOCK_FRAMES, num_frames)
            output.append(self._play(np.stack([self._held.frame(by_frame.get(k, [])) for k in range(start, stop)])))
            if progress is not None:
                progress(stop / num_frames)
        self.reset(seed)
        return np.concatenate(output, axis=1)[:, self._lag_samples : self._lag_samples + num_samples]

    def _need_map(self) -> TimbreMap:
        if self._map is None:
            raise InstrumentError("this instrument has no map of timbres: make its file again with after bundle")
        return self._map

    def _vector(self, timbre: str | NDArray[np.float32]) -> torch.Tensor:
        """Give the timbre [E] of a name, a vector or audio."""
        if isinstance(timbre, str):
            return self._preset(timbre)
        if timbre.ndim != 1:
            return _checked(self._encode_timbre(timbre))
        if timbre.size != self._timbre_size:
            raise InstrumentError(f"a timbre has {self._timbre_size} numbers, {timbre.size} were given")
        return _checked(torch.from_numpy(np.array(timbre, dtype=np.float32)))

    def _preset(self, name: str) -> torch.Tensor:
        if name not in self._presets:
            near = get_close_matches(name, self._presets, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise InstrumentError(f"no timbre {name!r}{hint} There are: {', '.join(self._presets) or 'none named'}")
        return self._presets[name]

    def _encode_timbre(self, audio: NDArray[np.float32]) -> torch.Tensor:
        mono = audio.mean(axis=0, dtype=np.float32)
        num_frames = mono.size // self.hop_length
        if num_frames < _MIN_TIMBRE_FRAMES:
            raise InstrumentError(f"{mono.size} samples are too short for a timbre: give a second or more")
        whole = torch.from_numpy(mono[: num_frames * self.hop_length].copy())[None, None]
        with torch.inference_mode():
            return self._engine.timbre_of(whole)[0].clone()

    def _play(self, structure: NDArray[np.float32]) -> NDArray[np.float32]:
        """Play structure frames [L, 256] to audio [1, L * hop_length], lagging by the codec's latency."""
        with torch.inference_mode():
            audio = self._engine.play(torch.from_numpy(structure)[None], self._timbre[None, None])
        return np.ascontiguousarray(audio[0].numpy())


def _checked(timbre: torch.Tensor) -> torch.Tensor:
    """Refuse what is no number, which the network's memory would never lose again; keep the rest within +-1."""
    if not bool(torch.isfinite(timbre).all()):
        raise InstrumentError("the timbre holds values that are not finite; give audio or a vector without NaN")
    return timbre.clamp(-1.0, 1.0)

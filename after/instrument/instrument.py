"""The playable object: named timbres, attributes, streaming and rendering."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import after
from after.audio import resample
from after.errors import InstrumentError
from after.instrument.attributes import Attributes
from after.instrument.automation import Automation
from after.instrument.blocks import AudioIn, AudioOut, NotesIn, as_mono
from after.instrument.events import NoteEvent, frames_of
from after.instrument.loading import LoadedInstrument, load_engine, table_of
from after.instrument.offline import BLOCK_FRAMES, Progress, given_or_new, play_through
from after.instrument.timbres import Timbres
from after.midi import Note

BUNDLED = Path(after.__file__).parent / "pretrained" / "midi.safetensors"
_NUM_SEEDS = 2**31


class Instrument:
    """A playable instrument: codec, generative model and named timbres.

    It is played by notes (`process`, `render`) or by audio (`process_audio`, `revoice`), as it was trained. One object
    plays one stream; it is not safe to share between threads.

    Attributes:
        sample_rate: Hz.
        hop_length: samples per frame.
        num_latents: of the codec, D.
        latency_samples: from a note event, or from what is heard, to its sound, beside the host's buffer.
        structure_kind: what is taken from what plays it: `midi`, `pitch_loudness` or `learned`.
        plays_audio: whether audio plays it; else notes do.
        timbres: names that `set_timbre` takes.
        has_map: whether it has a map of timbres, for `timbre_at`, `set_timbre_at` and `locate`.
        map_positions: places (x, y) of the named timbres on it, within +-1.
        manifest: settings and description.
        attributes: how it plays; change them with `set`.
    """

    def __init__(self, loaded: LoadedInstrument) -> None:
        """Use `Instrument.load`."""
        self._engine = loaded.engine
        self._book = Timbres(loaded)
        self._lag_samples = loaded.codec_latency_samples
        self.sample_rate = loaded.sample_rate
        self.hop_length = loaded.hop_length
        self.num_latents = loaded.num_latents
        self.latency_samples = loaded.hop_length + loaded.codec_latency_samples
        self.structure_kind = loaded.structure_kind
        self.plays_audio = loaded.plays_audio
        self.timbres = self._book.names
        self.has_map = self._book.has_map
        self.map_positions = self._book.positions
        self.manifest = loaded.manifest
        self.attributes = Attributes()
        self._timbre = self._book.first()
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
        self._timbre = self._book.vector(timbre)

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
        return self._book.at(x, y)

    def locate(self, timbre: str | NDArray[np.float32]) -> tuple[float, float]:
        """Give the place (x, y) of the map whose timbre is nearest to one; raises as `set_timbre` and `timbre_at`."""
        return self._book.locate(timbre)

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
        self._notes_in = NotesIn(self.hop_length)
        self._audio_in = AudioIn(self.hop_length)
        self._out = AudioOut(self.hop_length)

    def process(self, num_samples: int, events: Sequence[NoteEvent] = ()) -> NDArray[np.float32]:
        """Play one block of a stream of notes.

        Args:
            num_samples: of this block, any number; frames are computed whenever `hop_length` samples have come in.
            events: in this block.

        Returns:
            audio [1, num_samples], `latency_samples` behind the events.

        Raises:
            InstrumentError: if an event lies outside of the block, or the instrument is played by audio.
        """
        self._need(plays_audio=False, called="process")
        rows = self._notes_in.take(num_samples, events)
        # Frames that came in together are played together, which is quicker than one by one.
        blocks = [np.stack(rows[i : i + BLOCK_FRAMES]) for i in range(0, len(rows), BLOCK_FRAMES)]
        return self._out.take(num_samples, [self.play_frames(torch.from_numpy(block)[None]) for block in blocks])

    def process_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Play one block of a stream of audio.

        Args:
            audio: [1, N] at `sample_rate`, any N; frames are computed whenever `hop_length` samples have come in. More
                channels are mixed to one; what is no number counts as silence.

        Returns:
            audio [1, N], `latency_samples` behind what came in.

        Raises:
            InstrumentError: if the audio has another shape, or the instrument is played by notes.
        """
        self._need(plays_audio=True, called="process_audio")
        heard = self._audio_in.take(as_mono(audio))
        size = BLOCK_FRAMES * self.hop_length
        blocks = [heard[:, start : start + size] for start in range(0, heard.shape[1], size)]
        return self._out.take(audio.shape[1], [self.play_frames(self._listen(block)) for block in blocks])

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
        automation: Automation | None = None,
        out: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Play notes from the start, latency taken out.

        Args:
            notes: any order.
            duration_s: of the result.
            seed: of the noise; the same seed gives the same audio.
            automation: of timbre and attributes.
            out: written to, and given back, in place of a new array of the result's shape.
            progress: called with fractions 0..1.

        Returns:
            audio [1, duration_s * sample_rate].

        Raises:
            InstrumentError: if the instrument is played by audio, or automated timbres are of another size.
        """
        self._need(plays_audio=False, called="render")
        frames = frames_of(notes, sample_rate=self.sample_rate, hop_length=self.hop_length)
        return self._render(frames, round(duration_s * self.sample_rate), seed, automation, out, progress)

    def revoice(
        self,
        audio: NDArray[np.float32],
        sample_rate: float,
        *,
        seed: int = 0,
        automation: Automation | None = None,
        out: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Play a recording from the start, latency taken out.

        Args:
            audio: [C, T]; its channels are mixed to one.
            sample_rate: of it, in Hz.
            seed: of the noise; the same seed gives the same audio.
            automation: of timbre and attributes.
            out: written to, and given back, in place of a new array of the result's shape.
            progress: called with fractions 0..1.

        Returns:
            audio [1, T'] at the instrument's `sample_rate`, as long as the recording.

        Raises:
            InstrumentError: if the audio has another shape or holds what is no number, the instrument is played by
                notes, or automated timbres are of another size.
            AudioError: if the sample rate is not positive.
        """
        self._need(plays_audio=True, called="revoice")
        heard = resample(as_mono(audio), sample_rate, self.sample_rate)
        if not np.isfinite(heard).all():
            raise InstrumentError("the audio holds samples that are NaN or infinite: export it again")
        padded = np.pad(heard[0], (0, self._lag_samples + self.hop_length))
        frames = padded[: padded.size // self.hop_length * self.hop_length].reshape(-1, self.hop_length)
        return self._render(partial(self._listen_to, frames), heard.size, seed, automation, out, progress)

    def _need(self, *, plays_audio: bool, called: str) -> None:
        """Refuse a call that is for the other kind of instrument."""
        if plays_audio == self.plays_audio:
            return
        audio = f"audio ({self.structure_kind}): call process_audio or revoice"
        kind = audio if self.plays_audio else "notes: call process or render"
        raise InstrumentError(f"this instrument is played by {kind} instead of {called}")

    def _render(
        self,
        structure: Callable[[int, int], Tensor],
        num_samples: int,
        seed: int,
        automation: Automation | None,
        out: NDArray[np.float32] | None,
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        """Play frames [start, stop), given as structure [1, L, S], to audio [1, num_samples] without lag."""
        lag_samples, automation = self._lag_samples, automation or Automation()
        automation.check_size(self._timbre.size(0))
        out = given_or_new(out, num_samples)
        num_frames = math.ceil((num_samples + lag_samples) / self.hop_length)
        play_through(self, structure, num_frames, out, lag_samples, seed, automation, progress)
        return out

    def _listen_to(self, frames: NDArray[np.float32], start: int, stop: int) -> Tensor:
        return self._listen(frames[start:stop].reshape(1, -1))

    @torch.inference_mode()
    def _listen(self, audio: NDArray[np.float32]) -> Tensor:
        """Tell the structure [1, L, S] of the next audio [1, L * hop_length]."""
        return self._engine.structure(torch.from_numpy(np.ascontiguousarray(audio))[None]).transpose(1, 2)

    @torch.inference_mode()
    def play_frames(self, structure: Tensor, timbres: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Play the next frames of structure, beneath `process` and `render`.

        Args:
            structure: [1, L, S].
            timbres: [L, E]; None for the one that is set.

        Returns:
            audio [1, L * hop_length], behind by the codec's latency.
        """
        timbre = self._timbre[None, None] if timbres is None else torch.from_numpy(timbres).clamp(-1.0, 1.0)[None]
        audio = self._engine.play(structure, timbre)
        return np.ascontiguousarray(audio[0].numpy())

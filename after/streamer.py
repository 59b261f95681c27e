"""The instrument as a host runs it: all methods and attributes of an exported file, with the state they need.

Inside, tensors are channel-last; methods take and give [B, C, T]. `after.streaming.host` tells what hosts expect,
`after.streaming.controlled` has the attributes.
"""

import math

import torch
from torch import Tensor

from after.codec.load import AnyCodec
from after.codec.streamer import CodecStreamer
from after.conditioning.learned import LatentListener
from after.conditioning.listener import Listener
from after.conditioning.note_signals import NoteSignals
from after.conditioning.source import StructureSource
from after.conditioning.timbre_map import TimbreMap
from after.diffusion.guidance import branches_needed
from after.model import Model, structure_channels
from after.settings import StructureSettings
from after.streaming.controlled import Controlled
from after.streaming.host import check_block, clean_audio, describe_method, is_stale
from after.streaming.noise import frame_noise

NUM_VOICES = 8
NOTES_KIND = "midi"
"""The kind of structure that is played by notes; all others are played by audio."""


class Streamer(Controlled):
    """Stream an instrument.

    Methods of hosts (ratios are samples per value, hop is the codec's):
      `encode`    audio -> latents, `decode` latents -> audio: the codec,
      `timbre`    audio -> timbre, of everything heard so far,
      `map`       places (x, y) on the map of timbres -> timbres, where the instrument has a map,
      `structure` audio -> structure, before it is transposed, where the instrument is played by audio,
      `generate`  what is played, then the timbre, at the sample rate -> latents,
      `forward`   the same -> audio.
    What is played is audio, or pairs of pitch and velocity for each voice. Of the timbre, the last sample of each frame
    counts. `generate` and `forward` go on with the same stream, the others have streams of their own. All items of a
    batch get the same noise; an item sounds the same in any batch. Another batch size, or `set_reset`, begins anew;
    another number of sampler steps or guidance branches begins the network's memory anew.

    For programs there are `play` (structure and timbre -> audio), `timbre_of` and `decode_alone` beside them.

    Args:
        codec: in evaluation mode.
        model: in evaluation mode.
        structure: of the model; None for a model that is played by notes.
        timbre_map: where there is one.

    Raises:
        ValueError: if the structure is learned and the model has not learned it.
    """

    timbre_state: list[Tensor]
    structure_state: list[Tensor]
    source_state: list[Tensor]
    model_state: list[Tensor]
    audio_state: list[Tensor]
    branches: list[int]

    def __init__(
        self,
        codec: AnyCodec,
        model: Model,
        structure: StructureSettings | None = None,
        *,
        timbre_map: TimbreMap | None = None,
    ) -> None:
        super().__init__()
        structure = structure or StructureSettings(kind=NOTES_KIND)
        self.codec = CodecStreamer(codec)
        self.model = model
        self.source = _build_source(structure, codec, model)
        self.timbre_map = timbre_map
        self.plays_audio = structure.kind != NOTES_KIND
        self.hop_length = codec.hop_length
        self.frame_s = codec.hop_length / codec.sample_rate
        self.num_played = self.source.num_signals
        self.num_inputs = self.source.num_signals + model.timbre_size
        self.num_encoder_states = codec.encoder.num_states
        self.timbre_state = []
        self.structure_state = []
        self.source_state = []
        self.model_state = []
        self.audio_state = []
        self.branches = [0]
        self.steps = 0
        self.frame = 0
        self.methods = self._declare_methods(codec.num_latents, model.timbre_size)

    def _declare_methods(self, latents: int, timbre_size: int) -> list[str]:
        """Describe the methods that this instrument offers to hosts, and give their names."""
        hop, inputs = self.hop_length, self.num_inputs
        voices = "".join(f"pitch {n + 1}, velocity {n + 1}, " for n in range(NUM_VOICES))
        played = f"{'audio, ' if self.plays_audio else voices}timbre"
        describe_method(self, "encode", (1, 1, latents, hop), "audio", "latent")
        describe_method(self, "decode", (latents, hop, 1, 1), "latent", "audio")
        describe_method(self, "timbre", (1, 1, timbre_size, hop), "audio", "timbre")
        names = ["encode", "decode", "timbre"]
        if self.timbre_map is not None:
            describe_method(self, "map", (2, hop, timbre_size, hop), "x, y", "timbre")
            names.append("map")
        if self.plays_audio:
            describe_method(self, "structure", (1, 1, self.source.structure_size, hop), "audio", "structure")
            names.append("structure")
        describe_method(self, "generate", (inputs, 1, latents, hop), played, "latent")
        describe_method(self, "forward", (inputs, 1, 1, 1), played, "audio")
        return [*names, "generate", "forward"]

    @torch.jit.export
    def encode(self, audio: Tensor) -> Tensor:
        """Turn a block of audio [B, 1, L * hop] into latents [B, D, L]."""
        return self.codec.encode(audio)

    @torch.jit.export
    def decode(self, latents: Tensor) -> Tensor:
        """Turn a block of latents [B, D, L] into audio [B, 1, L * hop]."""
        return self.codec.decode(latents)

    @torch.jit.export
    def timbre(self, audio: Tensor) -> Tensor:
        """Tell the timbre [B, E, L] of the audio up to the end of each frame of a block [B, 1, L * hop]."""
        check_block(audio, 1, self.hop_length)
        encoder = self.codec.encoder
        if is_stale(self.timbre_state, audio):
            self.timbre_state = encoder.init_state(audio.size(0))
            self.timbre_state.extend(self.model.timbre_encoder.init_state(audio.size(0)))
        x = clean_audio(audio).transpose(1, 2)
        latents, state = encoder.step(x, self.timbre_state[: self.num_encoder_states])
        sums = self.timbre_state[self.num_encoder_states :]
        memory = math.exp(-self.frame_s / self.timbre_memory_s) if self.timbre_memory_s > 0.0 else 1.0
        timbres: list[Tensor] = []
        for frame in range(latents.size(1)):
            sums = self.model.timbre_encoder.accumulate(latents[:, frame : frame + 1], sums, memory)
            timbres.append(self.model.timbre_encoder.conclude(sums))
        state.extend(sums)
        self.timbre_state = state
        return torch.stack(timbres, dim=2)

    @torch.jit.export
    def map(self, places: Tensor) -> Tensor:
        """Give the timbres [B, E, L] at places [B, 2, L] of (x, y) on the map; beyond +-1 those of the edge."""
        check_block(places, 2, 1)
        timbre_map = self.timbre_map
        if timbre_map is None:
            raise ValueError("this instrument has no map of timbres")
        timbres: Tensor = timbre_map(torch.nan_to_num(places).transpose(1, 2).flatten(0, 1))
        return timbres.view(places.size(0), places.size(2), -1).transpose(1, 2).contiguous()

    @torch.jit.export
    def structure(self, signals: Tensor) -> Tensor:
        """Tell the structure [B, S, L] of what is played (audio [B, 1, L * hop], or notes), before it is transposed."""
        check_block(signals, self.num_played, self.hop_length)
        if is_stale(self.structure_state, signals):
            self.structure_state = self.source.init_state(signals.size(0))
        x = clean_audio(signals) if self.plays_audio else signals
        structure, self.structure_state = self.source.step(x.transpose(1, 2), self.structure_state)
        return structure.transpose(1, 2).contiguous()

    @torch.jit.export
    def generate(self, signals: Tensor) -> Tensor:
        """Play a block of signals [B, played + E, L * hop] to latents [B, D, L]."""
        structure, timbre = self._read(signals)
        return self._sample(structure, timbre).transpose(1, 2).contiguous()

    def forward(self, signals: Tensor) -> Tensor:
        """Play a block of signals [B, played + E, L * hop] to audio [B, 1, L * hop]."""
        structure, timbre = self._read(signals)
        return self._voice(self._sample(structure, timbre))

    @torch.jit.export
    def play(self, structure: Tensor, timbre: Tensor) -> Tensor:
        """Play a block of structure [B, L, S] with timbre [B, 1 or L, E] to audio [B, 1, L * hop]."""
        return self._voice(self._sample(structure, timbre))

    @torch.jit.export
    def timbre_of(self, audio: Tensor) -> Tensor:
        """Tell the timbre [B, E] of whole excerpts [B, 1, L * hop]; the streams go on unchanged."""
        check_block(audio, 1, self.hop_length)
        encoder = self.codec.encoder
        latents, _ = encoder.step(audio.transpose(1, 2), encoder.init_state(audio.size(0)))
        timbre: Tensor = self.model.timbre_encoder(latents)
        return timbre

    @torch.jit.export
    def decode_alone(self, latents: Tensor) -> Tensor:
        """Decode a whole sequence [B, D, L] without lag; the streams go on unchanged."""
        return self.codec.decode_alone(latents)

    def _read(self, signals: Tensor) -> tuple[Tensor, Tensor]:
        """Find the structure [B, L, S] and the timbre [B, L, E] in the signals."""
        check_block(signals, self.num_inputs, self.hop_length)
        if is_stale(self.source_state, signals):
            self.source_state = self.source.init_state(signals.size(0))
        played = signals[:, : self.num_played]
        played = clean_audio(played) if self.plays_audio else played
        structure, self.source_state = self.source.step(played.transpose(1, 2), self.source_state)
        timbre = signals[:, self.num_played :, self.hop_length - 1 :: self.hop_length].transpose(1, 2)
        return structure, torch.nan_to_num(timbre).clamp(-1.0, 1.0)

    def _sample(self, structure: Tensor, timbre: Tensor) -> Tensor:
        """Generate the latents [B, L, D] of the next frames."""
        branches = branches_needed(self.guidance_structure, self.guidance_timbre)
        if is_stale(self.model_state, structure):
            self.frame = 0
            self.model_state = []
        if len(self.model_state) == 0 or self.steps != self.num_steps or self.branches != branches:
            self.steps = self.num_steps
            self.branches = branches
            self.model_state = self.model.init_state(structure.size(0), self.num_steps, len(branches))
        device = structure.device
        seeds = torch.full([structure.size(0)], self.seed, dtype=torch.int64, device=device)
        first = torch.full([1], self.frame, dtype=torch.int64, device=device)
        noise = self.temperature * frame_noise(seeds, first, structure.size(1), self.model.num_latents)
        latents, self.model_state = self.model.step(
            structure if self.transpose == 0 else self.source.transposed(structure, self.transpose),
            timbre,
            noise,
            self.num_steps,
            self.guidance_structure,
            self.guidance_timbre,
            self.model_state,
        )
        self.frame += structure.size(1)
        return latents

    def _voice(self, latents: Tensor) -> Tensor:
        """Turn the next latents [B, L, D] into audio [B, 1, L * hop]."""
        if is_stale(self.audio_state, latents):
            self.audio_state = self.codec.decoder.init_state(latents.size(0))
        audio, self.audio_state = self.codec.decoder.step(latents, self.audio_state)
        return audio.transpose(1, 2).contiguous()

    @torch.jit.export
    def get_methods(self) -> list[str]:
        """List what a host may run."""
        return self.methods

    @torch.jit.export
    def get_reset(self) -> tuple[int]:
        """Give 0."""
        return (0,)

    @torch.jit.export
    def set_reset(self, value: int) -> int:
        """Forget everything heard and played, whatever the value, and begin the noise anew; give 0."""
        self.codec.set_reset(value)
        self.timbre_state = []
        self.structure_state = []
        self.source_state = []
        self.model_state = []
        self.audio_state = []
        return 0


def _build_source(structure: StructureSettings, codec: AnyCodec, model: Model) -> StructureSource:
    """Build what turns the signals that play an instrument into its structure."""
    if structure.kind == NOTES_KIND:
        return NoteSignals(NUM_VOICES, hop=codec.hop_length)
    if structure.kind == "pitch_loudness":
        return Listener(codec.sample_rate, hop=codec.hop_length)
    if model.code is None:
        raise ValueError("the structure is learned, but this model has learned none")
    return LatentListener(codec.encoder, model.code, structure_size=structure_channels(structure))

"""The instrument as a host runs it: all methods and attributes of an exported file, with the state they need.

Inside, tensors are channel-last; methods take and give [B, C, T]. `after.streaming.host` tells what hosts expect,
`after.streaming.controlled` has the attributes.
"""

import math

import torch
from torch import Tensor, nn

from after.codec.load import AnyCodec
from after.codec.streamer import CodecStreamer
from after.conditioning.note_signals import NoteSignals
from after.diffusion.guidance import branches_needed
from after.model import Model
from after.streaming.controlled import Controlled
from after.streaming.host import check_block, describe_method, is_stale
from after.streaming.noise import frame_noise

NUM_VOICES = 8


class Streamer(Controlled):
    """Stream an instrument.

    Methods of hosts (ratios are samples per value, hop is the codec's):
      `encode`   audio -> latents, `decode` latents -> audio: the codec,
      `timbre`   audio -> timbre, of everything heard so far,
      `generate` pairs of pitch and velocity for each voice, then the timbre, at the sample rate -> latents,
      `forward`  the same -> audio.
    Of the timbre, the last sample of each frame counts. `generate` and `forward` go on with the same stream of notes.
    All items of a batch get the same noise; an item sounds the same in any batch. Another batch size, or `set_reset`,
    begins anew; another number of sampler steps or guidance branches begins the network's memory anew.

    For programs there are `play` (structure and timbre -> audio), `timbre_of` and `decode_alone` beside them.

    Args:
        codec: in evaluation mode.
        model: in evaluation mode.
        num_voices: pairs of pitch and velocity.
    """

    timbre_state: list[Tensor]
    note_state: list[Tensor]
    model_state: list[Tensor]
    audio_state: list[Tensor]
    branches: list[int]

    def __init__(self, codec: AnyCodec, model: Model, *, num_voices: int = NUM_VOICES) -> None:
        super().__init__()
        self.codec = CodecStreamer(codec)
        self.model = model
        self.notes = NoteSignals(num_voices, hop=codec.hop_length)
        self.hop_length = codec.hop_length
        self.frame_s = codec.hop_length / codec.sample_rate
        self.num_note_channels = 2 * num_voices
        self.num_inputs = 2 * num_voices + model.timbre_size
        self.num_encoder_states = codec.encoder.num_states
        self.timbre_state = []
        self.note_state = []
        self.model_state = []
        self.audio_state = []
        self.branches = [0]
        self.steps = 0
        self.frame = 0
        self._declare_methods(codec, model, num_voices)

    def _declare_methods(self, codec: AnyCodec, model: Model, num_voices: int) -> None:
        hop, latents, inputs = codec.hop_length, codec.num_latents, self.num_inputs
        voices = "".join(f"pitch {n + 1}, velocity {n + 1}, " for n in range(num_voices))
        describe_method(self, "encode", (1, 1, latents, hop), "audio", "latent")
        describe_method(self, "decode", (latents, hop, 1, 1), "latent", "audio")
        describe_method(self, "timbre", (1, 1, model.timbre_size, hop), "audio", "timbre")
        describe_method(self, "generate", (inputs, 1, latents, hop), f"{voices}timbre", "latent")
        describe_method(self, "forward", (inputs, 1, 1, 1), f"{voices}timbre", "audio")

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
        x = torch.nan_to_num(audio).transpose(1, 2)
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
    def generate(self, signals: Tensor) -> Tensor:
        """Play a block of signals [B, 2 * voices + E, L * hop] to latents [B, D, L]."""
        structure, timbre = self._read(signals)
        return self._sample(structure, timbre).transpose(1, 2).contiguous()

    def forward(self, signals: Tensor) -> Tensor:
        """Play a block of signals [B, 2 * voices + E, L * hop] to audio [B, 1, L * hop]."""
        structure, timbre = self._read(signals)
        return self._voice(self._sample(structure, timbre))

    @torch.jit.export
    def play(self, structure: Tensor, timbre: Tensor) -> Tensor:
        """Play a block of structure [B, L, 256] with timbre [B, 1 or L, E] to audio [B, 1, L * hop]."""
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
        """Find the structure [B, L, 256] and the timbre [B, L, E] in the signals."""
        check_block(signals, self.num_inputs, self.hop_length)
        if is_stale(self.note_state, signals):
            self.note_state = self.notes.init_state(signals.size(0))
        x = signals.transpose(1, 2)
        structure, self.note_state = self.notes.step(x[:, :, : self.num_note_channels], self.note_state)
        timbre = x[:, self.hop_length - 1 :: self.hop_length, self.num_note_channels :]
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
            self._transposed(structure),
            timbre,
            noise,
            self.num_steps,
            self.guidance_structure,
            self.guidance_timbre,
            self.model_state,
        )
        self.frame += structure.size(1)
        return latents

    def _transposed(self, structure: Tensor) -> Tensor:
        """Shift all pitches, held ones too; those that leave the range fall silent."""
        if self.transpose == 0:
            return structure
        sounding, onset = structure.chunk(2, dim=2)
        shift = [self.transpose, -self.transpose]
        return torch.cat([nn.functional.pad(sounding, shift), nn.functional.pad(onset, shift)], dim=2)

    def _voice(self, latents: Tensor) -> Tensor:
        """Turn the next latents [B, L, D] into audio [B, 1, L * hop]."""
        if is_stale(self.audio_state, latents):
            self.audio_state = self.codec.decoder.init_state(latents.size(0))
        audio, self.audio_state = self.codec.decoder.step(latents, self.audio_state)
        return audio.transpose(1, 2).contiguous()

    @torch.jit.export
    def get_methods(self) -> list[str]:
        """List what a host may run."""
        return ["encode", "decode", "timbre", "generate", "forward"]

    @torch.jit.export
    def get_reset(self) -> tuple[int]:
        """Give 0."""
        return (0,)

    @torch.jit.export
    def set_reset(self, value: int) -> int:
        """Forget everything heard and played, whatever the value, and begin the noise anew; give 0."""
        self.codec.set_reset(value)
        self.timbre_state = []
        self.note_state = []
        self.model_state = []
        self.audio_state = []
        return 0

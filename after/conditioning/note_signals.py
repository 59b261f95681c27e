"""Notes as signals, as hosts of plain audio send them: pitch and velocity per voice, turned into structure frames."""

import torch
from torch import Tensor, nn

from after.conditioning.roll import NUM_PITCHES, ROLL_CHANNELS
from after.conditioning.source import StructureSource
from after.streaming.contract import keep_last


class NoteSignals(StructureSource):
    """Find the notes in pairs of signals and lay them out as `after.conditioning.roll` does.

    Each voice has two channels at the sample rate: pitch (MIDI number, rounded) and velocity (0-127; zero or less is
    off). A note begins where the velocity rises above zero, or the pitch changes above zero; the velocity of that
    sample counts. Voices that play the same pitch share it: the last note-on decides, any note-off ends it. A pitch
    outside 0-127 is silent.

    Args:
        num_voices: pairs of signals.
        hop: samples per frame.
    """

    like: Tensor

    def __init__(self, num_voices: int, *, hop: int) -> None:
        super().__init__(hop=hop, num_signals=2 * num_voices, structure_size=ROLL_CHANNELS, num_states=2)
        self.num_voices = num_voices
        self.hop = hop
        self.num_pitches = NUM_PITCHES
        self.register_buffer("like", torch.zeros(1), persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the velocities of held pitches [B, 128], in 0..1, and the last sample's signals [B, 1, 2 * voices]."""
        like = self.like
        return [
            torch.zeros(batch_size, self.num_pitches, dtype=like.dtype, device=like.device),
            torch.zeros(batch_size, 1, 2 * self.num_voices, dtype=like.dtype, device=like.device),
        ]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn one block of signals [B, T, 2 * voices] into structure [B, T / hop, 256]."""
        signals = torch.cat([state[1], x], dim=1)
        pitch = torch.round(torch.nan_to_num(signals[:, :, 0::2]))
        velocity = signals[:, :, 1::2]
        sounds = (velocity > 0) & (pitch >= 0) & (pitch < self.num_pitches)
        moves = pitch[:, 1:] != pitch[:, :-1]
        begins = sounds[:, 1:] & (moves | ~sounds[:, :-1])
        ends = sounds[:, :-1] & (moves | ~sounds[:, 1:])
        last = keep_last(x, 1)
        if not bool(begins.any()) and not bool(ends.any()):
            sounding = state[0][:, None].expand(x.size(0), x.size(1) // self.hop, self.num_pitches)
            return torch.cat([sounding, torch.zeros_like(sounding)], dim=2), [state[0], last]
        structure, held = self._lay_out(begins, ends, pitch, velocity, state[0])
        return structure, [held, last]

    def transposed(self, structure: Tensor, semitones: int) -> Tensor:
        """Shift all notes of structure [B, L, 256], held ones too; those that leave the range fall silent."""
        sounding, onset = structure.chunk(2, dim=2)
        shift = [semitones, -semitones]
        return torch.cat([nn.functional.pad(sounding, shift), nn.functional.pad(onset, shift)], dim=2)

    def _lay_out(
        self, begins: Tensor, ends: Tensor, pitch: Tensor, velocity: Tensor, held: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the structure of a block in which something happens, and what is held at its end."""
        struck, on_offset = self._struck(begins, pitch, velocity)
        off_offset, stops_at_once = self._released(ends, pitch)
        is_struck = on_offset >= 0
        # of a note-on and a note-off on the same sample, the note-on comes last
        is_released = off_offset > on_offset
        sounding: list[Tensor] = []
        for frame in range(struck.size(1)):
            rest = torch.where(stops_at_once[:, frame], torch.zeros_like(held), held)
            sounding.append(torch.where(is_struck[:, frame], struck[:, frame], rest))
            held = torch.where(is_struck[:, frame], struck[:, frame], held)
            held = torch.where(is_released[:, frame], torch.zeros_like(held), held)
        # the value that `onset_value` gives
        onset = (1.0 - 0.5 * (on_offset.to(struck.dtype) / self.hop)) * is_struck
        return torch.cat([torch.stack(sounding, dim=1), onset], dim=2), held

    def _struck(self, begins: Tensor, pitch: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
        """Give the velocity / 127 and the offset of each frame's last note-on per pitch, [B, L, 128]; -1 for none."""
        batch_size, num_samples, _ = begins.shape
        num_frames = num_samples // self.hop
        where = torch.nonzero(begins)
        item, sample, voice = where[:, 0], where[:, 1], where[:, 2]
        row = pitch[item, sample + 1, voice].to(torch.int64)
        cell = (item * num_frames + sample // self.hop) * self.num_pitches + row
        # one number for offset and voice, so that the largest is the last note-on and its voice is known
        code = (sample % self.hop) * self.num_voices + voice
        latest = torch.full([batch_size * num_frames * self.num_pitches], -1, dtype=torch.int64, device=begins.device)
        latest = latest.scatter_reduce(0, cell, code, "amax")
        is_latest = latest[cell] == code
        struck = torch.zeros(latest.size(0), dtype=velocity.dtype, device=velocity.device)
        struck[cell[is_latest]] = (velocity[item, sample + 1, voice] / 127.0).clamp(0.0, 1.0)[is_latest]
        shape = [batch_size, num_frames, self.num_pitches]
        offset = torch.where(latest < 0, latest, torch.div(latest, self.num_voices, rounding_mode="floor"))
        return struck.reshape(shape), offset.reshape(shape)

    def _released(self, ends: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
        """Give the offset of each frame's last note-off per pitch, -1 for none, and whether one is at offset 0."""
        batch_size, num_samples, _ = ends.shape
        num_frames = num_samples // self.hop
        where = torch.nonzero(ends)
        item, sample, voice = where[:, 0], where[:, 1], where[:, 2]
        row = pitch[item, sample, voice].to(torch.int64)
        cell = (item * num_frames + sample // self.hop) * self.num_pitches + row
        offset = sample % self.hop
        latest = torch.full([batch_size * num_frames * self.num_pitches], -1, dtype=torch.int64, device=ends.device)
        at_once = torch.zeros(latest.size(0), dtype=torch.bool, device=ends.device)
        at_once[cell[offset == 0]] = True
        shape = [batch_size, num_frames, self.num_pitches]
        return latest.scatter_reduce(0, cell, offset, "amax").reshape(shape), at_once.reshape(shape)

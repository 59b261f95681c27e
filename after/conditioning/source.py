"""What plays an instrument: signals turned into structure frames while they come in."""

from torch import Tensor

from after.streaming.contract import Streaming


class StructureSource(Streaming):
    """Base of what turns blocks of signals [B, T, C] into structure [B, T / hop, S]; looks back only.

    Args:
        hop: samples per frame.
        num_signals: C.
        structure_size: S.
        num_states: tensors in its state.
    """

    num_signals: int
    structure_size: int

    def __init__(self, *, hop: int, num_signals: int, structure_size: int, num_states: int) -> None:
        super().__init__(block_size=hop, down=hop, num_states=num_states)
        self.num_signals = num_signals
        self.structure_size = structure_size

    def transposed(self, structure: Tensor, semitones: int) -> Tensor:
        """Shift all pitches of structure [B, L, S]; structure that names no pitches stays as it is."""
        return structure

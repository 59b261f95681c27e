"""How chunks divide into frames."""

from after.data.extract.stored_audio import StoredAudio
from after.errors import ConfigError, DataError


def check_lengths(**lengths: int) -> None:
    """Refuse lengths in samples that are not positive.

    Raises:
        ConfigError: names the first one.
    """
    for name, length in lengths.items():
        if length < 1:
            raise ConfigError(f"{name} is {length} samples; give at least 1")


def frames_per_chunk(audio: StoredAudio, hop_length: int, what: str) -> int:
    """Give how many frames each chunk has.

    Args:
        audio: the recording.
        hop_length: samples per frame.
        what: whose hop length it is, for the message.

    Raises:
        DataError: if chunks are no whole number of frames.
    """
    frames, rest = divmod(audio.chunk_samples, hop_length)
    if rest:
        raise DataError(
            f"chunks of {audio.chunk_samples} samples are no multiple of {what} hop length {hop_length}: prepare the "
            "store again with another --chunk-seconds"
        )
    return frames

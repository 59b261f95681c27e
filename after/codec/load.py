"""Load a trained codec from a run folder or a file."""

from collections.abc import Mapping
from pathlib import Path

from after.checkpoint import load_into, read_weights
from after.codec.autoencoder import Codec
from after.codec.build import build_codec
from after.config import from_dict
from after.errors import CheckpointError
from after.settings import CodecSettings


def load_codec(source: str | Path) -> tuple[Codec, CodecSettings]:
    """Load a codec's averaged weights, in evaluation mode.

    Args:
        source: a run folder of `after train_autoencoder`, one of its checkpoints, or a weights file.

    Raises:
        CheckpointError: if there is no codec.
    """
    tensors, snapshot = read_weights(source)
    table = snapshot.get("codec")
    if snapshot.get("kind") != "codec" or not isinstance(table, Mapping):
        raise CheckpointError(f"{source} holds no codec: give a run folder of after train_autoencoder")
    settings = from_dict(CodecSettings, table)
    codec = build_codec(settings)
    load_into(codec, tensors)
    return codec.eval(), settings

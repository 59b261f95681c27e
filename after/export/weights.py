"""A trained codec as one file of half-precision weights, to train models on and to hand on."""

from pathlib import Path

import after
from after.checkpoint import WEIGHTS_SUFFIX, write_checkpoint
from after.codec.load import load_codec
from after.config import to_dict
from after.errors import ExportError
from after.trained import count_iterations


def write_codec_weights(source: str | Path, out: str | Path, *, license_text: str = "") -> dict[str, object]:
    """Write the averaged weights of a codec with its settings; a fifth of a checkpoint's size.

    Args:
        source: a run of `after train_autoencoder` (folder or checkpoint) or a codec file.
        out: a .safetensors file; it appears whole or not at all.
        license_text: of the weights, for who gets the file.

    Returns:
        what the file says about itself.

    Raises:
        CheckpointError: if the source is missing, damaged or something else, or the file cannot be written.
        ExportError: if the name does not end in .safetensors.
    """
    source, out = Path(source), Path(out)
    if out.suffix != WEIGHTS_SUFFIX:
        raise ExportError(f"{out} must be named <name>{WEIGHTS_SUFFIX}")
    codec, settings = load_codec(source)
    snapshot: dict[str, object] = {
        "kind": "codec",
        "codec": to_dict(settings),
        "description": {
            "license": license_text,
            "iterations": count_iterations(source),
            "after_version": after.__version__,
        },
    }
    write_checkpoint(out, codec.state_dict(), snapshot, half=True)
    return snapshot

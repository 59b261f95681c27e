"""Load a codec: one trained here, from a run folder or a file, or one that another program exported."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from after.checkpoint import WEIGHTS_SUFFIX, load_into, read_weights
from after.codec.autoencoder import Codec
from after.codec.build import build_codec
from after.codec.foreign.archive import is_foreign, read_archive
from after.codec.foreign.codec import ForeignCodec, open_foreign, rebuild_foreign
from after.codec.foreign.settings import FOREIGN_KIND, ForeignSettings
from after.config import from_dict, to_dict
from after.errors import CheckpointError
from after.settings import CodecSettings

AnyCodec = Codec | ForeignCodec
"""What encodes and decodes, whoever trained it."""

BUNDLED_CODEC = Path(__file__).parents[1] / "pretrained" / "codec.safetensors"
"""A codec that this project trained on 39 instruments; what models are trained on unless another is named."""

_ARCHIVE = "archive"
_SOURCES = (
    "name a run folder of after train_autoencoder, a checkpoint or codec file (.safetensors), or a TorchScript file of "
    "another program (.ts)"
)


def load_codec(source: str | Path) -> tuple[Codec, CodecSettings]:
    """Load the averaged weights of a codec that was trained here, in evaluation mode.

    Args:
        source: a run folder of `after train_autoencoder`, one of its checkpoints, or a weights file.

    Raises:
        CheckpointError: if there is no codec.
    """
    if is_foreign(source):
        raise CheckpointError(f"{source} is a TorchScript file: give a codec's run folder, checkpoint or .safetensors")
    tensors, snapshot = read_weights(source)
    table = snapshot.get("codec")
    if snapshot.get("kind") != "codec" or not isinstance(table, Mapping):
        raise CheckpointError(f"{source} holds no codec: give a run folder of after train_autoencoder")
    settings = from_dict(CodecSettings, table)
    codec = build_codec(settings)
    load_into(codec, tensors)
    return codec.eval(), settings


def open_codec(
    source: str | Path, *, known: object = None, sample_rate: int | None = None
) -> tuple[AnyCodec, dict[str, object]]:
    """Load a codec of any origin, in evaluation mode, and the table that describes it in a snapshot.

    Args:
        source: as for `load_codec`, or a TorchScript file of another program (RAVE, say).
        known: the table of a model that was trained with the codec; a foreign codec takes from it what was measured.
        sample_rate: Hz, for a foreign codec that does not state it.

    Raises:
        CheckpointError: if there is no codec, it cannot be used, or it is not the one or not of the rate that was said.
    """
    path = Path(source)
    codec: AnyCodec
    if is_foreign(path):
        codec = _open_foreign(path, known, sample_rate)
        table = to_dict(codec.settings)
    else:
        if path.suffix != WEIGHTS_SUFFIX and not path.is_dir():
            raise CheckpointError(f"{path} is {'no codec' if path.exists() else 'missing'}: {_SOURCES}")
        codec, settings = load_codec(path)
        table = to_dict(settings)
        if isinstance(known, Mapping) and known != table:
            raise CheckpointError(f"{path} is not the codec that the model was trained with: name that one")
    if sample_rate not in (None, codec.sample_rate):
        raise CheckpointError(
            f"{path} has a sample rate of {codec.sample_rate} Hz, {sample_rate} Hz was given: leave "
            "--codec-sample-rate away"
        )
    return codec, table


def _open_foreign(path: Path, known: object, sample_rate: int | None) -> ForeignCodec:
    if not isinstance(known, Mapping):
        return open_foreign(path, sample_rate=sample_rate)
    if known.get("kind") != FOREIGN_KIND:
        raise CheckpointError(f"{path} is another program's codec; the model was trained with one of ours: name it")
    return rebuild_foreign(read_archive(path), from_dict(ForeignSettings, known), str(path))


def stored_tensors(codec: AnyCodec) -> dict[str, Tensor]:
    """Give what is stored of a codec inside an instrument file."""
    if isinstance(codec, ForeignCodec):
        return {_ARCHIVE: torch.frombuffer(bytearray(codec.archive), dtype=torch.uint8)}
    return codec.state_dict()


def rebuild_codec(table: Mapping[str, object], tensors: Mapping[str, Tensor]) -> AnyCodec:
    """Build a codec again from its table and `stored_tensors`, in evaluation mode.

    Raises:
        CheckpointError: if they do not fit together.
    """
    if table.get("kind") == FOREIGN_KIND:
        if _ARCHIVE not in tensors:
            raise CheckpointError("the file of the foreign codec is missing: bundle the instrument again")
        archive = tensors[_ARCHIVE].numpy().tobytes()
        return rebuild_foreign(archive, from_dict(ForeignSettings, table), "the instrument's codec")
    codec = build_codec(from_dict(CodecSettings, table))
    load_into(codec, tensors)
    return codec.eval()

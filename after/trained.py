"""A trained model with the codec whose latents it learned, as a run of `after train` left it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from after.checkpoint import latest_checkpoint, load_into, read_snapshot, read_weights
from after.codec.foreign.archive import is_foreign
from after.codec.load import AnyCodec, open_codec
from after.config import from_dict
from after.data.extract.latents import codec_hash
from after.errors import CheckpointError
from after.model import Model, build_model
from after.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model with its codec, both in evaluation mode, and where they come from."""

    model: Model
    codec: AnyCodec
    snapshot: Mapping[str, object]
    iterations: int
    codec_iterations: int

    @property
    def settings(self) -> ModelSettings:
        """Of the model."""
        return _model_settings(self.snapshot)

    @property
    def latents_name(self) -> str:
        """Name of the latents in the store that the model was trained on."""
        return str(self.snapshot.get("latents"))


def load_trained(run: Path, codec: Path) -> Trained:
    """Load the averaged weights of a diffusion run and of the codec whose latents it learned.

    Raises:
        CheckpointError: if either is missing or something else, or they do not belong together.
    """
    tensors, snapshot = read_weights(run, "model")
    if snapshot.get("kind") != "diffusion":
        raise CheckpointError(f"{run} holds a {snapshot.get('kind', 'model')}, not a run of after train")
    network, table = open_codec(codec, known=snapshot.get("codec"))
    name = f"latents/{codec_hash(network)}"
    if snapshot.get("codec") != table or snapshot.get("latents") != name:
        raise CheckpointError(
            f"{run} was trained on {snapshot.get('latents')}, but {codec} gives {name}: "
            "name the codec (or the checkpoint of it) that the run was trained with"
        )
    model = build_model(_model_settings(snapshot), network.num_latents)
    load_into(model, tensors)
    return Trained(model.eval(), network, snapshot, count_iterations(run), count_iterations(codec))


def _model_settings(snapshot: Mapping[str, object]) -> ModelSettings:
    table = snapshot.get("model")
    if not isinstance(table, Mapping):
        raise CheckpointError("the run's settings have no table 'model': the checkpoint is damaged, use an older one")
    return from_dict(ModelSettings, table)


def count_iterations(source: Path) -> int:
    """Give the optimiser updates behind a run folder, checkpoint or weights file; 0 where a file does not say."""
    if is_foreign(source):
        return 0
    path = latest_checkpoint(source) if source.is_dir() else source
    snapshot = read_snapshot(path) if path is not None else {}
    state = snapshot.get("training_state", snapshot.get("description"))
    return int(state.get("iteration", state.get("iterations", 0))) if isinstance(state, Mapping) else 0

"""`after train_autoencoder`: train the codec that turns audio into latents and back."""

from typing import TYPE_CHECKING, Any

import click

from after.cli.training_options import TrainingOptions, show_outcome, show_settings, training_options

if TYPE_CHECKING:
    from after.settings import CodecTrainingSettings

_SPEED_SECONDS = 1.0


@click.command()
@training_options(
    default_preset="codec_44k",
    dry_run="Show the settings that would be used and what codec and training would cost, and stop.",
)
def command(**parameters: Any) -> None:
    """Train the codec on the prepared data set STORE.

    Ctrl-C saves and stops (exit code 75); a second Ctrl-C stops at once. The same command goes on where the run
    stopped. With --dry-run, costs are shown beside the settings: of the codec its parameters, arithmetic, latency,
    memory and speed on one CPU thread; of the training the memory that an update takes, without discriminators and
    with them, and the iteration at which they come.

    \b
    after train_autoencoder data/store --out runs/codec
    after train_autoencoder data/store --out runs/codec --set training.batch_size=32 --time-limit 3600
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.settings import CodecTrainingSettings

    options = TrainingOptions.take(parameters)
    settings = options.load(CodecTrainingSettings)
    if options.dry_run:
        show_settings(settings, options, cost=_describe_cost(settings))
        return
    from after.training.codec_loop import train_codec

    options.use_threads()
    outcome = train_codec(
        settings, options.store, options.out, time_limit_s=options.time_limit_s, device=options.device
    )
    show_outcome(outcome, options)


def _describe_cost(settings: "CodecTrainingSettings") -> dict[str, object]:
    """Tell what the codec and its training would cost; a new codec costs what a trained one does."""
    from dataclasses import asdict

    from after.codec.build import build_codec
    from after.codec.cost import measure_cost
    from after.codec.speed import BLOCK_SIZES, measure_speeds, script_codec
    from after.training.codec_memory import comes_at, estimate_training_mb

    codec = build_codec(settings.codec).eval()
    speeds = measure_speeds(script_codec(codec), codec, seconds=_SPEED_SECONDS, block_sizes=BLOCK_SIZES[:1])
    return {
        **asdict(measure_cost(codec)),
        "training_memory_mb": estimate_training_mb(settings),
        "discriminators_come_at_iteration": comes_at(settings),
        "real_time_factor": {speed.method: round(speed.factor, 4) for speed in speeds},
    }

"""`after train_autoencoder`: train the codec that turns audio into latents and back."""

from typing import Any

import click

from after.cli.training_options import TrainingOptions, show_outcome, show_settings, training_options


@click.command()
@training_options(default_preset="codec_44k")
def command(**parameters: Any) -> None:
    """Train the codec on the prepared data set STORE.

    Ctrl-C saves and stops (exit code 75); a second Ctrl-C stops at once. The same command goes on where the run
    stopped.

    \b
    after train_autoencoder data/store --out runs/codec
    after train_autoencoder data/store --out runs/codec --set training.batch_size=32 --time-limit 3600
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.settings import CodecTrainingSettings

    options = TrainingOptions.take(parameters)
    settings = options.load(CodecTrainingSettings)
    if options.dry_run:
        show_settings(settings, options)
        return
    from after.training.codec_loop import train_codec

    options.use_threads()
    outcome = train_codec(
        settings, options.store, options.out, time_limit_s=options.time_limit_s, device=options.device
    )
    show_outcome(outcome, options)

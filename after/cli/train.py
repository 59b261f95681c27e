"""`after train`: train the instrument that turns structure and timbre into latents."""

from pathlib import Path
from typing import Any

import click

from after.cli.training_options import TrainingOptions, show_outcome, show_settings, training_options


@click.command()
@training_options(default_preset="midi")
@click.option(
    "--codec",
    metavar="RUN_OR_FILE",
    type=click.Path(path_type=Path),
    help="Run folder of train_autoencoder, a checkpoint or codec file of it, or a TorchScript file of another program; "
    "default: the bundled codec.",
)
@click.option(
    "--codec-sample-rate",
    type=click.IntRange(min=1),
    metavar="HZ",
    help="Of a TorchScript codec that does not state it.",
)
def command(codec: Path | None, codec_sample_rate: int | None, **parameters: Any) -> None:
    """Train the diffusion model on the prepared data set STORE, on the latents of a trained codec.

    A codec of another program, such as RAVE, is a TorchScript file (.ts) that was exported for streaming: mono, at the
    store's sample rate, with methods encode and decode.

    Ctrl-C saves and stops (exit code 75); a second Ctrl-C stops at once. The same command goes on where the run
    stopped.

    \b
    after train data/store --out runs/piano
    after train data/store --codec runs/codec --out runs/piano
    after train data/store --codec rave.ts --out runs/piano
    after train data/store --codec runs/codec --out runs/piano --preset midi --set model.denoiser.width=256
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.settings import DiffusionTrainingSettings

    options = TrainingOptions.take(parameters)
    settings = options.load(DiffusionTrainingSettings)
    if options.dry_run:
        show_settings(settings, options)
        return
    from after.codec.load import BUNDLED_CODEC
    from after.training.diffusion_loop import train_diffusion

    options.use_threads()
    outcome = train_diffusion(
        settings,
        options.store,
        options.out,
        codec=codec or BUNDLED_CODEC,
        codec_sample_rate=codec_sample_rate,
        time_limit_s=options.time_limit_s,
        device=options.device,
    )
    show_outcome(outcome, options)

"""`after bench_data`: whether a store feeds training fast enough."""

from pathlib import Path

import click


@click.command(epilog="Example: after bench_data data/store --preset tiny")
@click.argument("store", type=click.Path(file_okay=False, path_type=Path))
@click.option("--preset", default="midi", show_default=True, metavar="NAME", help="Model to train.")
@click.option("--codec-preset", default="codec_44k_cpu", show_default=True, metavar="NAME", help="Codec to train.")
@click.option("--codec", type=click.Path(path_type=Path), help="Codec that gives the latents.  [the bundled one]")
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=10.0, show_default=True, help="Per measurement.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to train.")
def command(store: Path, preset: str, codec_preset: str, codec: Path | None, seconds: float, device: str) -> None:
    """Measure how fast training items are drawn from STORE, beside how fast training uses them up.

    The model's latents are computed first where the store lacks them. Training draws its items in one thread beside
    the updates: a ratio well above 1 means that it never waits for data.
    """
    from after.codec.load import BUNDLED_CODEC, open_codec
    from after.config import load_settings
    from after.settings import CodecTrainingSettings, DiffusionTrainingSettings
    from after.training.data_speed import measure_codec_data, measure_model_data

    codec_settings = load_settings(CodecTrainingSettings, codec_preset)
    model_settings = load_settings(DiffusionTrainingSettings, preset)
    network, _ = open_codec(codec or BUNDLED_CODEC)
    click.echo(f"{'':<8}{'loader':>14}{'training':>14}{'ratio':>8}   audio s per s")
    for speed in (
        measure_codec_data(store, codec_settings, seconds=seconds, device=device),
        measure_model_data(store, model_settings, network, seconds=seconds, device=device),
    ):
        click.echo(f"{speed.name:<8}{speed.loaded_s_per_s:14.1f}{speed.trained_s_per_s:14.1f}{speed.ratio:8.1f}")

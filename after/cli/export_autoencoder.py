"""`after export_autoencoder`: a trained codec by itself becomes one file that hosts load."""

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="RUN_OR_FILE", type=_PATH)
@click.option("-o", "--out", required=True, type=_PATH, metavar="FILE.ts", help="Where to write.")
def command(source: Path, out: Path) -> None:
    """Export a codec as a TorchScript file for nn~ (Max, Pure Data): methods encode, decode, and forward for both.

    RUN_OR_FILE is a run folder of `after train_autoencoder`, one of its checkpoints, or a codec file. The file is
    written only when its stream equals the whole sequence (1e-4 of full scale, blocks of 1, 2 and 8 frames, batches of
    1 and 4), it lags by what it declares, and libtorch 2.5 can load it. Speeds are computing time / playing time on one
    thread.

    \b
    after export_autoencoder runs/codec --out codec.ts
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.export.report import describe_export
    from after.export.torchscript import export_autoencoder

    manifest = export_autoencoder(source, out, report=lambda text: click.echo(f"{text} ...", err=True))
    for line in describe_export(out, manifest):
        click.echo(line)

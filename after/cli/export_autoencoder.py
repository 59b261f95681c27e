"""`after export_autoencoder`: a trained codec by itself becomes one file, for hosts or for training."""

from pathlib import Path

import click

from after.errors import ConfigError

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="RUN_OR_FILE", type=_PATH)
@click.option("-o", "--out", required=True, type=_PATH, metavar="FILE", help="Where to write: .ts or .safetensors.")
@click.option("--license", "license_text", default="", metavar="TEXT", help="Licence of the weights (.safetensors).")
def command(source: Path, out: Path, license_text: str) -> None:
    """Export a codec.

    RUN_OR_FILE is a run folder of `after train_autoencoder`, one of its checkpoints, or a codec file.

    FILE.ts is a TorchScript file for nn~ (Max, Pure Data): methods encode, decode, and forward for both. It is written
    only when its stream equals the whole sequence (1e-4 of full scale, blocks of 1, 2 and 8 frames, batches of 1 and
    4), it lags by what it declares, and libtorch 2.5 can load it. Speeds are computing time / playing time on one
    thread.

    FILE.safetensors holds the averaged weights in half precision, to be given to `after train --codec`.

    \b
    after export_autoencoder runs/codec --out codec.ts
    after export_autoencoder runs/codec --out codec.safetensors --license CC-BY-4.0
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    if out.suffix == ".safetensors":
        _write_weights(source, out, license_text)
        return
    if license_text:
        raise ConfigError(f"--license goes with a .safetensors file; {out} has no place for it")
    from after.export.report import describe_export
    from after.export.torchscript import export_autoencoder

    manifest = export_autoencoder(source, out, report=lambda text: click.echo(f"{text} ...", err=True))
    for line in describe_export(out, manifest):
        click.echo(line)


def _write_weights(source: Path, out: Path, license_text: str) -> None:
    from after.export.weights import write_codec_weights

    write_codec_weights(source, out, license_text=license_text)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")

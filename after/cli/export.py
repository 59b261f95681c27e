"""`after export`: a trained instrument becomes one file that hosts load."""

from pathlib import Path

import click

from after.errors import ConfigError

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="RUN_OR_INSTRUMENT", type=_PATH)
@click.option("-o", "--out", required=True, type=_PATH, metavar="FILE.ts", help="Where to write.")
@click.option("--codec", type=_PATH, metavar="RUN_OR_FILE", help="The codec that a run was trained with.")
@click.option(
    "--timbre",
    "timbres",
    multiple=True,
    metavar="NAME=AUDIO",
    help="Offer the timbre of a recording (a second or more) under a name; repeatable.",
)
@click.option("--license", "license_text", default="", metavar="TEXT", help="Licence of a run's weights.")
def command(source: Path, out: Path, codec: Path | None, timbres: tuple[str, ...], license_text: str) -> None:
    """Export RUN_OR_INSTRUMENT as a TorchScript file for nn~ (Max, Pure Data), the plugin and the Python runtime.

    RUN_OR_INSTRUMENT is an instrument file (.safetensors), or a run folder of `after train` with its --codec. The
    file is written only when its stream equals the whole sequence (1e-4 of full scale, blocks of 1, 2 and 8 frames,
    batches of 1 and 4) and libtorch 2.5 can load it. Speeds are computing time / playing time on one thread.

    \b
    after export piano.safetensors --out piano.ts
    after export runs/piano --codec runs/codec --out piano.ts --timbre bright=recordings/bright.wav
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.export.report import describe_export
    from after.export.torchscript import InstrumentJob, export_instrument

    job = InstrumentJob(source=source, codec=codec, timbres=_parse(timbres), license=license_text)
    manifest = export_instrument(job, out, report=lambda text: click.echo(f"{text} ...", err=True))
    for line in describe_export(out, manifest):
        click.echo(line)


def _parse(timbres: tuple[str, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in timbres:
        name, separator, path = text.partition("=")
        if not (name and separator and path):
            raise ConfigError(f"--timbre {text}: write NAME=AUDIO, such as bright=bright.wav")
        if name in files:
            raise ConfigError(f"--timbre {name} is given twice: use another name")
        files[name] = Path(path)
    return files

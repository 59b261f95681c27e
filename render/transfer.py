"""`after transfer`: recordings in other timbres, one or a folder of stems at once."""

from glob import has_magic
from pathlib import Path
from typing import Any

import click

import render.batch.cli
import render.cli
from render.errors import RenderError
from render.options import job_options
from render.source import is_midi

_PATH = click.Path(path_type=Path)

_EXAMPLES = """\b
Examples:
  after transfer voice.wav --timbre cello -o out.wav
  after transfer take1.wav take2.wav --timbre trumpet.wav -o transferred
  after transfer stems --timbre flute --effects room -o transferred
"""


@click.command(epilog=_EXAMPLES)
@click.argument("inputs", nargs=-1, required=True, metavar="RECORDING...")
@click.option(
    "--timbre",
    required=True,
    metavar="NAME|FILE|X,Y",
    help="A name of the instrument (part of it is enough), an audio file, or a place on the map of timbres.",
)
@job_options
@click.option(
    "-o", "--out", type=_PATH, metavar="FILE|DIR",
    help="Of one recording: its file; default: NAME_rendered.wav here. Of several or a folder: the folder they go to.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.pass_context
def command(ctx: click.Context, /, inputs: tuple[str, ...], timbre: str, out: Path | None, **options: Any) -> None:
    """Play what a RECORDING plays in another timbre; several, quoted patterns and folders of stems too.

    An instrument that is played by audio follows the recording itself; one that is played by notes, as the bundled one,
    gets them written down from it (Basic Pitch). Several recordings are rendered as `after batch` does: on all cores,
    and the same command again renders only what is missing.
    """
    options["transcribe"] = True
    if options["timbre_for"]:
        raise RenderError("--timbre-for names MIDI channels, a recording has none; use --timbre")
    if len(inputs) == 1 and Path(inputs[0]).is_file():
        source = Path(inputs[0])
        if is_midi(source):
            raise RenderError(f"{source} is MIDI, not a recording: after render {source} --timbre {timbre}")
        ctx.invoke(
            render.cli.command, source=source, timbre=timbre, out=out, stems=None, picture=None, list_timbres=False,
            **options,
        )  # fmt: skip
        return
    if len(inputs) == 1 and not has_magic(inputs[0]) and not Path(inputs[0]).exists():
        raise RenderError(f"{inputs[0]} does not exist; give a recording, or a folder of them")
    if out is None:
        raise RenderError("several recordings, or a folder, need a folder to go to: name it with --out")
    ctx.invoke(
        render.batch.cli.command, inputs=inputs, timbre=(timbre,), out=out, jobs=None, format="wav", workers=None,
        ray=None, dry_run=False, report=None, **options,
    )  # fmt: skip

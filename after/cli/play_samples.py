"""`after play_samples`: MIDI files as they are written, played by sampled instruments."""

from pathlib import Path

import click

from after.cli.bundle import parse_names


@click.command()
@click.argument("midi_files", metavar="MIDI...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--instruments",
    "samples",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Recorded notes, as synthesize_dataset takes them.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to fill: <instrument>/<piece>.")
@click.option("--only", metavar="NAME,NAME", help="Instruments to use; default: all.")
@click.option(
    "--rename", multiple=True, metavar="NAME=FOLDER", help="Name an instrument's folder otherwise; repeatable."
)
@click.option("--max-seconds", type=click.FloatRange(min=0.5), default=30.0, show_default=True)
def command(
    midi_files: tuple[Path, ...],
    samples: Path,
    out: Path,
    only: str | None,
    rename: tuple[str, ...],
    max_seconds: float,
) -> None:
    """Play MIDI files with sampled instruments: references for `after evaluate --recordings`.

    Nothing is varied; a piece is transposed by octaves where an instrument cannot play it, and the MIDI file beside
    each recording says what is played.

    \b
    after play_samples song.mid --instruments samples --out references
    after evaluate --midi song.mid --recordings references
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from rich.console import Console
    from rich.progress import Progress

    from after.data.synthesis.references import play_references
    from after.data.synthesis.samples import load_instruments

    names = parse_names(rename)
    found = load_instruments(samples, [name.strip() for name in only.split(",")] if only else None)
    by_folder = {names.get(name, name): instrument for name, instrument in found.items()}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("playing", total=len(by_folder) * len(midi_files))
        for _ in play_references(by_folder, midi_files, out, max_s=max_seconds):
            bar.advance(task)
    click.echo(f"{out}: {len(midi_files)} pieces by {len(by_folder)} instruments")

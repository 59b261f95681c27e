"""`after synthesize_dataset`: multi-sampled instruments and MIDI files to paired recordings."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--instruments",
    "instrument_folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of recordings, with manifest_instruments.csv inside or beside it, or named <name>_<midi>_<velocity>.wav.",
)
@click.option(
    "--midi",
    "midi_places",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="MIDI file, or folder of them; may be given several times.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to fill: <instrument>/<phrase>.")
@click.option("--recipe", default=None, help="Recipe: a .toml file, or the name of a bundled one (synthesis).")
@click.option("--only", default=None, metavar="NAME,NAME", help="Instruments to use, instead of the recipe's.")
@click.option("--hours-per-instrument", type=click.FloatRange(0, min_open=True), help="Audio of each instrument.")
@click.option("--seconds-per-instrument", type=click.FloatRange(0, min_open=True), help="The same in seconds.")
@click.option("--phrase-seconds", type=click.FloatRange(1, 600), help="Length of a phrase, instead of the recipe's.")
@click.option("--max-shift", type=click.IntRange(0, 6), help="Semitones a recording may be shifted.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Processes; one per core by default.")
@click.option("--format", "audio_format", type=click.Choice(["flac", "wav"]), default="flac", show_default=True)
def command(
    instrument_folder: Path,
    midi_places: tuple[Path, ...],
    out: Path,
    recipe: str | None,
    only: str | None,
    hours_per_instrument: float | None,
    seconds_per_instrument: float | None,
    phrase_seconds: float | None,
    max_shift: int | None,
    seed: int,
    workers: int | None,
    audio_format: str,
) -> None:
    """Make training data from a sample library: one recording per phrase, its exact MIDI file beside it.

    The same command continues where it was stopped; a phrase depends on seed, instrument and number only. Without
    --hours-per-instrument or --seconds-per-instrument, 20 minutes of each instrument are made.

    \b
    after synthesize_dataset --instruments samples --midi scores --out phrases --hours-per-instrument 1
    """
    import dataclasses
    import math
    import os

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from after.data.synthesis.dataset import Plan, synthesize
    from after.data.synthesis.library import load_midi_library
    from after.data.synthesis.samples import load_instruments
    from after.data.synthesis.settings import Recipe, load_recipe

    if hours_per_instrument and seconds_per_instrument:
        raise click.UsageError("give either --hours-per-instrument or --seconds-per-instrument")
    seconds = seconds_per_instrument or 3600 * (hours_per_instrument or 1 / 3)
    settings = load_recipe(recipe) if recipe else Recipe()
    if phrase_seconds:
        settings = dataclasses.replace(settings, phrases=dataclasses.replace(settings.phrases, seconds=phrase_seconds))
    if max_shift is not None:
        settings = dataclasses.replace(settings, max_shift=max_shift)
    names = [name.strip() for name in only.split(",")] if only else list(settings.instruments) or None
    instruments = load_instruments(instrument_folder, names)

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        reading = bar.add_task("reading MIDI", total=100)
        library = load_midi_library(
            midi_places,
            rows_modulo=settings.hold_out.midi_rows_modulo,
            progress=lambda share: bar.update(reading, completed=round(100 * share)),
        )
        plan = Plan(
            out=out,
            recipe=settings,
            instruments=instruments,
            library=library,
            seed=seed,
            phrases=math.ceil(seconds / settings.phrases.seconds),
            audio_format=audio_format,
        )
        playing = bar.add_task("playing phrases", total=plan.phrases * len(instruments))
        summary = synthesize(
            plan,
            workers=workers or os.cpu_count() or 1,
            progress=lambda done, total: bar.update(playing, completed=done, total=total),
        )
    speed = summary.audio_s / max(summary.wall_s, 1e-9)
    click.echo(
        f"{out}: {summary.made} phrases of {len(instruments)} instruments, {summary.audio_s / 60:.1f} min of audio "
        f"in {summary.wall_s:.0f} s ({speed:.0f} x real time); {summary.kept} were there already"
    )
    for failure in library.failures:
        click.echo(f"left out: {failure}", err=True)

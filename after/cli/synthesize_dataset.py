"""`after synthesize_dataset`: multi-sampled instruments and MIDI files to paired recordings."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from after.data.synthesis.dataset import Summary
    from after.data.synthesis.settings import Recipe

DEFAULT_SECONDS = 1200.0


@click.command()
@click.option(
    "--instruments",
    "instrument_folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Recordings: manifest_instruments.csv inside or beside, or files named <name>_<midi>_<velocity>.wav.",
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
def command(instrument_folder: Path, midi_places: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Make training data from a sample library: one recording per phrase, its exact MIDI file beside it.

    The same command continues where it was stopped; a phrase depends on seed, instrument and number only. Without
    --hours-per-instrument or --seconds-per-instrument, 20 minutes of each instrument are made. The sustain pedal is
    written as longer notes.

    \b
    after synthesize_dataset --instruments samples --midi scores --out phrases --hours-per-instrument 1
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from after.data.synthesis.dataset import Plan, synthesize
    from after.data.synthesis.library import load_midi_library
    from after.data.synthesis.samples import load_instruments

    settings = _recipe_of(options)
    only: str | None = options["only"]
    names = [name.strip() for name in only.split(",")] if only else list(settings.instruments) or None
    plan_parts = {
        "out": out,
        "recipe": settings,
        "instruments": load_instruments(instrument_folder, names),
        "seed": options["seed"],
        "phrases": math.ceil(_seconds_of(options) / settings.phrases.seconds),
        "audio_format": options["audio_format"],
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        reading = bar.add_task("reading MIDI", total=100)
        library = load_midi_library(
            midi_places,
            rows_modulo=settings.hold_out.midi_rows_modulo,
            progress=lambda share: bar.update(reading, completed=round(100 * share)),
        )
        plan = Plan(library=library, **plan_parts)
        playing = bar.add_task("playing phrases", total=plan.phrases * len(plan.instruments))
        summary = synthesize(
            plan,
            workers=options["workers"] or os.cpu_count() or 1,
            progress=lambda done, total: bar.update(playing, completed=done, total=total),
        )
    _report(out, summary, library.failures)


def _seconds_of(options: Mapping[str, Any]) -> float:
    """Give the seconds of audio asked for, of each instrument."""
    hours, seconds = options["hours_per_instrument"], options["seconds_per_instrument"]
    if hours and seconds:
        raise click.UsageError("give either --hours-per-instrument or --seconds-per-instrument")
    return float(seconds or 3600 * hours if hours or seconds else DEFAULT_SECONDS)


def _recipe_of(options: Mapping[str, Any]) -> "Recipe":
    """Read the recipe and apply the options that change it."""
    from after.data.synthesis.settings import Recipe, load_recipe

    recipe = load_recipe(options["recipe"]) if options["recipe"] else Recipe()
    if options["phrase_seconds"]:
        recipe = replace(recipe, phrases=replace(recipe.phrases, seconds=options["phrase_seconds"]))
    if options["max_shift"] is not None:
        recipe = replace(recipe, max_shift=options["max_shift"])
    return recipe


def _report(out: Path, summary: "Summary", failures: Sequence[str]) -> None:
    """Say what was made and how fast."""
    speed = summary.audio_s / max(summary.wall_s, 1e-9)
    click.echo(
        f"{out}: {summary.made} phrases, {summary.audio_s / 60:.1f} min of audio in {summary.wall_s:.0f} s "
        f"({speed:.0f} x real time); {summary.kept} were there already"
    )
    for failure in failures:
        click.echo(f"left out: {failure}", err=True)

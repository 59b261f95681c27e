"""`after prepare_dataset`: folders of audio, with or without MIDI, to a data store."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from after.cli.feature_options import DERIVED, feature_options, features_asked

if TYPE_CHECKING:
    from rich.progress import TaskID

    from after.data.prepare.plan import Plan

SETTINGS = (
    "sample_rate",
    "chunk_seconds",
    "validation",
    "split_by",
    "group_by",
    "seed",
    "min_seconds",
    "silence_db",
    *DERIVED,
)
"""Options that a store keeps; left out, they are as the store has them."""

INCOMPLETE = 3
"""Exit code of a run that stored all it could, while some files could not be used."""


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the store; made or continued.")
@click.option("--sample-rate", type=click.IntRange(8_000, 384_000), metavar="HZ", help="Of the store.  [44100]")
@click.option("--chunk-seconds", type=click.FloatRange(0.05, 600.0), help="Length of a chunk, whole frames.  [5.944]")
@click.option("--validation", type=click.FloatRange(0.0, 0.5), help="Share of the files kept for validation.  [0.05]")
@click.option("--split-by", type=click.Choice(["file", "group"]), help="Keep files or whole groups apart.  [file]")
@click.option("--group-by", metavar="REGEX", help="Group = first match group in the path.  [the folder's name]")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed gives another split.  [0]")
@click.option("--min-seconds", type=click.FloatRange(min=0.0), help="Shorter files are skipped.  [1]")
@click.option("--silence-db", type=click.FloatRange(max=0.0), help="Files with a lower peak are skipped.  [-70]")
@click.option("--license", "license_text", default="", help="Licence of these files.  [as the data set says]")
@click.option("--parser", metavar="NAME", help="What reads the inputs; see docs/parsers.md.  [found out for each]")
@click.option("--include", multiple=True, metavar="GLOB", help="Take only these files; may be repeated.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these files out; may be repeated.")
@feature_options
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes.  [one per core]")
@click.option("--ray", metavar="ADDRESS", help="Work on a Ray cluster instead: its address, `auto`, or `local`.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Make a data store from folders of audio (wav, flac, ogg, opus, mp3, aiff, m4a).

    A MIDI file of the same name beside the audio gives its notes; Slakh2100, MAESTRO and NSynth are read by their own
    tables. Files are mixed to mono, resampled and cut into chunks; whole files go to training or validation. Files
    that cannot be used are skipped and listed at the end.

    Running the same command again continues where it stopped and adds what is new; options left out keep the values
    the store was made with. Exit codes: 0 all is well, 2 nothing could be done, 3 all that could be used is stored but
    some files were skipped, 130 interrupted.

    \b
    after prepare_dataset recordings/ --out store
    after prepare_dataset recordings/ --out store --feature loudness,pitch,transcription,latents
    after prepare_dataset recordings/ --out store --update pitch --crepe full
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.data.prepare.plan import plan
    from after.data.prepare.report import describe_problems, describe_run, describe_store
    from after.data.prepare.run import default_workers, prepare
    from after.data.prepare.settings import PrepareJob

    workers = options["workers"]
    job = PrepareJob(
        inputs=options["inputs"],
        out=options["out"],
        include=options["include"],
        exclude=options["exclude"],
        license=options["license_text"],
        parser=options["parser"],
        features=features_asked(options),
        update=options["update"],
        device=options["device"],
        workers=default_workers() if workers is None else workers,
        ray=options["ray"],
    )
    given = {name: options[name] for name in SETTINGS}
    if options["dry_run"]:
        click.echo("\n".join(_describe_plan(plan(job, given))))
        return
    with _progress_bar() as update:
        report = prepare(job, given, update)
    for line in describe_problems(report.manifest) + describe_store(report.manifest) + describe_run(report):
        click.echo(line)
    if report.is_interrupted:
        click.echo("interrupted: what is stored is whole; the same command continues", err=True)
        ctx.exit(130)
    if not report.is_complete:
        ctx.exit(INCOMPLETE)


@contextmanager
def _progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show what is done of each stage, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    units = {"files": "files", "copies": "copies", "features": "features, seconds of audio"}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(units[stage], total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield update


def _describe_plan(planned: "Plan") -> list[str]:
    """Say what a run would do."""
    from after.data.prepare.report import printable
    from after.data.prepare.split import side_of

    settings = planned.settings
    counts = Counter(side_of(file, settings) for file in planned.found)
    with_midi = sum(file.midi_path is not None for file in planned.found)
    with_table = sum(file.notes is not None for file in planned.found)
    groups = Counter(file.group for file in planned.found)
    return [
        f"read as: {', '.join(dict.fromkeys(planned.parsers))}",
        f"{len(planned.found)} audio files, {with_midi} with MIDI"
        + (f", {with_table} with notes in a table" if with_table else "")
        + f"; {len(planned.to_do)} new or changed",
        f"split: {counts['train']} train, {counts['validation']} validation (before an empty side is filled)",
        f"store: {settings.sample_rate} Hz, chunks of {settings.chunk_samples} samples",
        f"features: {', '.join(planned.features) or 'none'}; {settings.copies} copies of each recording that trains",
        *(printable(f"group {group}: {count} files") for group, count in sorted(groups.items())),
        *(printable(f"skipped {problem.source}: {problem.reason}") for problem in planned.problems),
    ]

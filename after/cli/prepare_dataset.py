"""`after prepare_dataset`: folders of audio, with or without MIDI, to a data store."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from after.data.prepare.run import Plan

SETTINGS = (
    "sample_rate",
    "chunk_seconds",
    "validation",
    "split_by",
    "group_by",
    "seed",
    "min_seconds",
    "silence_db",
)
"""Options that a store keeps; left out, they are as the store has them."""


@click.command(epilog="Example: after prepare_dataset recordings/ --out store --validation 0.1")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the store; made or continued.")
@click.option("--sample-rate", type=click.IntRange(8_000, 384_000), metavar="HZ", help="Of the store.  [44100]")
@click.option("--chunk-seconds", type=click.FloatRange(min=0.05), help="Length of a chunk, whole frames.  [5.944]")
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
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes.  [one per core]")
@click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Make a data store from folders of audio (wav, flac, ogg, mp3, aiff, m4a).

    A MIDI file of the same name beside the audio gives its notes; Slakh2100, MAESTRO and NSynth are read by their own
    tables. Files are mixed to mono, resampled and cut into
    chunks; whole files go to training or validation. Files that cannot be used are skipped and listed at the end.
    Running the same command again continues where it stopped and adds what is new; options left out keep the values
    the store was made with.
    """
    from after.data.prepare.report import describe_problems, describe_run, describe_store
    from after.data.prepare.run import default_workers, plan, prepare
    from after.data.prepare.settings import PrepareJob

    workers = options["workers"]
    job = PrepareJob(
        inputs=options["inputs"],
        out=options["out"],
        include=options["include"],
        exclude=options["exclude"],
        license=options["license_text"],
        parser=options["parser"],
        workers=default_workers() if workers is None else workers,
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


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """Show the number of files done, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("prepare_dataset"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("files", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


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
        *(printable(f"group {group}: {count} files") for group, count in sorted(groups.items())),
        *(printable(f"skipped {problem.source}: {problem.reason}") for problem in planned.problems),
    ]

"""`after batch`: many MIDI files or recordings in, as many audio files out, on every core or a cluster."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from render.errors import RenderError
from render.options import JOB_OPTIONS, job_options, timbre_option

if TYPE_CHECKING:
    from render.batch.plan import Item, Step
    from render.batch.records import Records

INCOMPLETE = 3
"""Exit code of a batch that rendered all it could, while some files failed or were refused."""

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

ROW_OPTIONS = (*JOB_OPTIONS, "format")
"""Options that a row of a job file may set."""

_PATH = click.Path(path_type=Path)

_EXAMPLES = """\b
Examples:
  after batch "stems/**/*.mid" --timbre cello --effects room --out renders
  after batch stems --timbre cello,flute --out renders --format flac
  after batch --jobs jobs.csv --timbre cello --out renders --report renders.json
  after batch stems --out renders --ray head-node:6379
"""


@click.command(epilog=_EXAMPLES)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("--jobs", type=_PATH, metavar="FILE.csv|FILE.toml", help="Jobs in place of INPUT; see docs/batch.md.")
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Folder of the outputs; made if need be.")
@click.option("--format", type=click.Choice(["wav", "flac", "ogg", "mp3"]), default="wav", show_default=True)
@timbre_option(several=True)
@job_options
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes; 0: none but this.  [one per core]")
@click.option("--ray", metavar="ADDRESS", help="Work on a Ray cluster instead: its address, `auto`, or `local`.")
@click.option("--force", is_flag=True, help="Render everything again, and replace files that no batch has rendered.")
@click.option("--dry-run", is_flag=True, help="Say what would be rendered, and write nothing.")
@click.option("--report", type=_PATH, metavar="FILE.json", help="Also write what became of each file.")
@click.pass_context
def command(ctx: click.Context, /, inputs: tuple[str, ...], jobs: Path | None, out: Path, **options: Any) -> None:
    """Render every INPUT: files, folders, or quoted patterns such as "stems/**/*.mid".

    The tree below what the inputs have in common is kept in DIR; of several timbres, each has its own folder in DIR.
    A folder gives its MIDI files, or where it has none or with --transcribe, its recordings.

    The same command again renders only what is missing or has changed: the file, the instrument, a setting. An output
    that was changed since is left alone and named. A file that cannot be rendered costs its own render only. Exit
    codes: 0 all is there, 2 nothing could be done, 3 some files failed or were refused, 130 interrupted.

    On a cluster each node needs this package, and must find the inputs, the instrument and the files that timbres and
    effects name under the same paths, as on a shared disk; outputs come back by themselves. Instruments play on
    processors, one thread for each job, whether or not there are GPUs.
    """
    from after.files import check_writable
    from render.batch.check import check_jobs
    from render.batch.inputs import absolute
    from render.batch.plan import check_items, plan_steps
    from render.batch.records import Records
    from render.batch.report import plan_lines
    from render.batch.work import load_pristine

    records = Records(absolute(out))
    items = _items(ctx, inputs, jobs, records, options)
    check_items(items)
    steps = plan_steps(items, records, force=options["force"])
    check_jobs([step.item for step in steps if step.is_to_do], load_pristine)
    if options["dry_run"]:
        click.echo("\n".join(plan_lines(steps)))
        return
    if options["report"] is not None:
        check_writable(options["report"])
    ctx.exit(_run(steps, records, options))


def _items(
    ctx: click.Context, inputs: Sequence[str], jobs: Path | None, records: "Records", options: Mapping[str, Any]
) -> "Sequence[Item]":
    """Give what is to be rendered, from the command line or a job file."""
    from render.batch.inputs import find_inputs
    from render.batch.job_file import read_job_file
    from render.batch.plan import items_of_inputs, items_of_rows

    if jobs is None:
        if not inputs:
            raise RenderError("nothing to render was given: name files, folders or patterns, or a job file with --jobs")
        return items_of_inputs(
            find_inputs(inputs, records.has, only_recordings=options["transcribe"]), options, records.folder
        )
    if inputs:
        raise RenderError("both INPUT and --jobs were given; a job file names its sources itself")
    columns = {param.name: param for param in ctx.command.params if param.name in ROW_OPTIONS}
    return items_of_rows(read_job_file(jobs, columns), options, records.folder, jobs.parent)


def _run(steps: "Sequence[Step]", records: "Records", options: Mapping[str, Any]) -> int:
    """Render, say what was done, and give the exit code."""
    from after.data.pool.choose import Workforce
    from render.batch.progress import shown_progress
    from render.batch.report import summary_lines, write_report
    from render.batch.run import Batch, run_batch

    batch = Batch.of(steps)
    workers = len(os.sched_getaffinity(0)) if options["workers"] is None else options["workers"]
    workforce = Workforce(min(workers, max(1, batch.to_do)), options["ray"])
    try:
        with shown_progress(batch) as progress:
            run_batch(batch, records, workforce, force=options["force"], progress=progress)
    finally:
        if options["report"] is not None:
            write_report(options["report"], batch)
    for line in summary_lines(batch):
        click.echo(line)
    if batch.is_interrupted:
        click.echo("interrupted: what is written is whole; the same command continues", err=True)
        return INTERRUPTED
    return 0 if batch.is_complete else INCOMPLETE

"""`after golden`: record renders once, on purpose, and compare with them ever after."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from render.engine import Progress
    from render.golden.run import Outcome
    from render.golden.settings import Case
    from render.job import InstrumentLoader

F = TypeVar("F", bound=Callable[..., Any])

EXIT_DIFFERENT = 1
"""Left with when a render differs from its reference, or has none."""

_FILE = click.Path(path_type=Path, dir_okay=False)

_EXAMPLES = """\b
Examples:
  after golden record cases.toml                 render every case and keep its audio
  after golden record cases.toml --only violin   record one anew, on purpose
  after golden check cases.toml                  render again and compare
  after golden check cases.toml --report golden.html
  after golden show cases.toml
"""


def _cases_argument(command: F) -> F:
    return click.argument("cases", metavar="CASES.toml", type=_FILE)(command)


def _only_option(command: F) -> F:
    text = "One of the cases; repeatable; default: all."
    return click.option("--only", multiple=True, metavar="NAME", help=text)(command)


@click.group(invoke_without_command=True, epilog=_EXAMPLES)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Compare renders with recorded audio, to notice when something changes how they sound.

    CASES.toml lists renders in the words of `after render`; their references lie beside it in golden/.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command()
@_cases_argument
@_only_option
@click.pass_obj
def record(loader: "InstrumentLoader | None", /, cases: Path, only: tuple[str, ...]) -> None:
    """Render each case and make it the reference; says what is new and by what the others changed.

    Recording is deliberate: a changed reference is replaced. Keep the files under version control.
    """
    from after.files import check_writable
    from render.golden.run import prepare_cases, record_case, render_sound
    from render.golden.settings import read_cases
    from render.job import load_instrument

    chosen = read_cases(cases, only)
    for case in chosen:
        check_writable(case.reference)
    prepared = prepare_cases(chosen, loader or load_instrument)
    for number, (case, job) in enumerate(prepared, start=1):
        with _progress_bar(f"{case.name} ({number} of {len(prepared)})") as progress:
            render = render_sound(job, progress)
        said = record_case(case, job, render)
        click.echo(f"{case.name}: {said} ({case.reference}, {render.audio.shape[1] / render.sample_rate:.2f} s)")


@command.command()
@_cases_argument
@_only_option
@click.option("--report", type=_FILE, metavar="FILE.html", help="Also write one page with pictures, sound and figures.")
@click.pass_context
def check(ctx: click.Context, cases: Path, only: tuple[str, ...], report: Path | None) -> None:
    """Render each case and compare it with its reference.

    Exit codes: 0 all are as recorded, 1 a render differs or has no reference, 2 something cannot be read or rendered.
    """
    from after.files import check_writable
    from render.golden.settings import read_cases
    from render.golden.table import SUMMARY, format_comparison, format_table, summary_row

    if report is not None:
        check_writable(report)
    rows, details, sections = [], [], []
    for case, outcome in _outcomes(read_cases(cases, only), ctx.obj):
        comparison = None if outcome is None else outcome.comparison
        rows.append(summary_row(case.name, comparison))
        if comparison is None:
            details.append(f"{case.name}: there is no {case.reference}: after golden record {cases} --only {case.name}")
        elif not comparison.has_passed:
            details.append(f"{case.name} differs from {case.reference}:\n{format_comparison(comparison)}")
        if report is not None:
            sections.append(_section(case, outcome))
    click.echo("\n\n".join([format_table(SUMMARY, rows), *details]))
    if report is not None:
        _write_report(report, cases, rows, sections)
    if details:
        ctx.exit(EXIT_DIFFERENT)


@command.command()
@_cases_argument
@_only_option
def show(cases: Path, only: tuple[str, ...]) -> None:
    """List the cases: whether each has a reference, since when, and whether it tells of today's settings."""
    from render.golden.note import STATE, state_row
    from render.golden.settings import read_cases
    from render.golden.table import format_table

    click.echo(format_table(STATE, [state_row(case) for case in read_cases(cases, only)]))


def _outcomes(cases: "tuple[Case, ...]", loader: "InstrumentLoader | None") -> "Iterator[tuple[Case, Outcome | None]]":
    """Check the cases that have a reference; all files are read before the first is rendered."""
    from render.golden.reference import read_reference
    from render.golden.run import check_case, prepare_cases
    from render.job import load_instrument

    references = {case.name: read_reference(case.reference) for case in cases}
    present = [case for case in cases if references[case.name] is not None]
    prepared = {case.name: job for case, job in prepare_cases(present, loader or load_instrument)}
    for number, case in enumerate(cases, start=1):
        reference = references[case.name]
        if reference is None:
            yield case, None
            continue
        with _progress_bar(f"{case.name} ({number} of {len(cases)})") as progress:
            outcome = check_case(case, prepared[case.name], reference, progress)
        yield case, outcome


def _section(case: "Case", outcome: "Outcome | None") -> str:
    from render.golden.page import build_section

    return build_section(case.name, outcome)


def _write_report(report: Path, cases: Path, rows: "list[tuple[str, ...]]", sections: list[str]) -> None:
    from after.files import written_atomically
    from render.golden.page import build_page

    with written_atomically(report) as temporary:
        temporary.write_text(build_page(cases.name, rows, sections), encoding="utf-8")
    click.echo(f"\n{report}: {report.stat().st_size / 1e3:.0f} kB")


@contextmanager
def _progress_bar(doing: str) -> "Iterator[Progress]":
    """Show a bar on stderr, on terminals only, while one case is rendered."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=1.0)
        yield lambda _, fraction: bar.update(task, completed=fraction)

"""What `after evaluate` shows and writes."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from after.audio import write_audio
from after.evaluation.media import Example, make_example
from after.evaluation.page import build_page
from after.evaluation.picture import draw_render
from after.evaluation.report import (
    COLUMNS,
    FIGURE_COLUMNS,
    WORDS,
    Outcome,
    build_report,
    classifier_line,
    figure_rows,
    matrix_rows,
    table_row,
)
from after.evaluation.trials import Scored
from after.files import written_atomically

_FILE_WIDTH = 190  # of tables that go to a file or a pipe


@contextmanager
def progress_bar(doing: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr; the context gives a function that advances it by one."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda: progress.advance(task)


class Keeper:
    """Keeps of each recording what is wanted of it, before its audio is dropped.

    Args:
        folder: for every recording and its picture, None for nowhere.
        num_examples: recordings kept for the page, evenly spaced.
    """

    def __init__(self, folder: Path | None, num_examples: int) -> None:
        """Begin with nothing kept."""
        self._folder = folder
        self._num_examples = num_examples
        self.examples: list[Example] = []

    def keep(self, index: int, total: int, scored: Scored) -> None:
        """Take one result."""
        recording = scored.recording
        title = f"{recording.timbre or 'recording'}: {recording.phrase.name}"
        if self._folder is not None:
            stem = "_".join(part.replace("/", "-") for part in (recording.phrase.name, recording.timbre) if part)
            path = self._folder / stem
            write_audio(path.with_name(f"{stem}.flac"), recording.audio, recording.sample_rate)
            picture = path.with_name(f"{stem}.png")
            draw_render(picture, recording.audio, recording.sample_rate, recording.phrase.notes, title)
        wanted = min(self._num_examples, total)
        if (index + 1) * wanted // total > index * wanted // total:
            self.examples.append(make_example(title, recording.audio, scored.reference, recording.sample_rate))


def show(outcome: Outcome) -> None:
    """Print every recording, the figures, and the transfer matrices."""
    _print_table("", COLUMNS, [table_row(trial) for trial in outcome.trials])
    _print_table(f"{len(outcome.trials)} recordings", FIGURE_COLUMNS, figure_rows(outcome))
    if outcome.classifier is not None:
        click.echo(classifier_line(outcome.classifier))
    if outcome.transfer is not None:
        for title, of_timbre in (("pitch accuracy, %", False), ("timbre recognised, %", True)):
            _print_table(
                f"melody (row) in timbre (column): {title}", *matrix_rows(outcome.transfer, of_timbre=of_timbre)
            )


def write_files(
    outcome: Outcome, examples: Sequence[Example], *, json_path: Path | None, html_path: Path | None
) -> None:
    """Write the files that were asked for, each whole or not at all, and name them."""
    if json_path is not None:
        _write(json_path, json.dumps(build_report(outcome), indent=1, allow_nan=False))
    if html_path is not None:
        _write(html_path, build_page(outcome, examples))


def _write(path: Path, text: str) -> None:
    with written_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    click.echo(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if title:
        click.echo(title)
    table = Table()
    for column in columns:
        table.add_column(column, justify="left" if column in WORDS else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else _FILE_WIDTH).print(table)

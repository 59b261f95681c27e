"""What the two training commands have in common: their options, the dry run, and the line they end with."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import click

from after.config import load_settings, to_dict

T = TypeVar("T")
Command = Callable[..., Any]
# exit code of a training that was stopped, saved, before its end (EX_TEMPFAIL of sysexits.h: try again)
STOPPED = 75


class Outcome(Protocol):
    """How a training call ended."""

    @property
    def iteration(self) -> int:
        """Updates done."""

    @property
    def iterations(self) -> int:
        """Updates asked for."""

    @property
    def reason(self) -> str | None:
        """Why it stopped early; None if it did not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingOptions:
    """The parsed options; field names are click's parameter names."""

    store: Path
    out: Path
    preset: str
    overrides: tuple[str, ...]
    time_limit_s: float | None
    iterations: int | None
    device: str
    threads: int | None
    dry_run: bool

    @classmethod
    def take(cls, parameters: dict[str, Any]) -> Self:
        """Build from click's keyword arguments."""
        return cls(**parameters)

    def load(self, cls: type[T]) -> T:
        """Read the settings: preset, then `--set`, then `--iterations`."""
        last = (f"training.iterations={self.iterations}",) if self.iterations is not None else ()
        return load_settings(cls, self.preset, (*self.overrides, *last))

    def use_threads(self) -> None:
        """Give torch the asked number of threads."""
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)


def training_options(
    default_preset: str, *, dry_run: str = "Show the settings that would be used, and stop."
) -> Callable[[Command], Command]:
    """Add the argument STORE and the options that both commands take; `dry_run` is the help of that option."""
    options = (
        click.argument("store", type=click.Path(file_okay=False, path_type=Path)),
        click.option("--out", required=True, metavar="RUN", type=click.Path(file_okay=False, path_type=Path),
                     help="Run folder: checkpoints, settings, metrics. The same command goes on where a run stopped."),
        click.option("--preset", default=default_preset, show_default=True, metavar="NAME",
                     help="Bundled preset or a .toml file."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
                     help="Change one setting, e.g. training.batch_size=32. May be repeated."),
        click.option("--time-limit", "time_limit_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
                     help="Save and stop after so many seconds."),
        click.option("--iterations", type=click.IntRange(min=1), metavar="N",
                     help="Train until N updates are done in all; short for --set training.iterations=N."),
        click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N",
                     help="CPU threads [default: torch's choice]"),
        click.option("--dry-run", is_flag=True, help=dry_run),
    )  # fmt: skip

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def show_settings(settings: object, options: TrainingOptions, **more: object) -> None:
    """Print what a run would use, and whatever more is known about it, as JSON."""
    shown = {"store": str(options.store), "out": str(options.out), "settings": to_dict(settings), **more}
    click.echo(json.dumps(shown, indent=2))


def show_outcome(outcome: Outcome, options: TrainingOptions) -> None:
    """Print how training ended and how to go on; a run that is not finished ends the command with `STOPPED`.

    Of several processes that torchrun started, the first one prints.
    """
    from after.training.distributed import read_launch

    where = f"{outcome.iteration} of {outcome.iterations} iterations, saved in {options.out}"
    line = f"stopped ({outcome.reason}): {where}; the same command goes on from there"
    launch = read_launch()
    if launch is None or launch.rank == 0:
        click.echo(f"finished: {where}" if outcome.reason is None else line)
    if outcome.reason is not None:
        click.get_current_context().exit(STOPPED)

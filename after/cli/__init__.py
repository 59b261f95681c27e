"""The command `after`: a group that loads its subcommands only when they are asked for.

Every package contributes commands through the entry-point group `after.commands` (`name = module:command`), so this
one imports none of them. `prepare_dataset` and `prepare-dataset` are the same command.
"""

import difflib
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import click

import after

COMMAND_GROUP = "after.commands"
EXIT_INTERRUPTED = 130
EXIT_USER_ERROR = 2


class LazyGroup(click.Group):
    """A click group over entry points; root errors become one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the published names, with underscores."""
        return sorted(_find_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and give one command, or None if nobody contributes it."""
        entry_point = _find_commands().get(cmd_name.replace("-", "_"))
        if entry_point is None:
            return None
        command = entry_point.load()
        if not isinstance(command, click.Command):
            raise TypeError(f"entry point {entry_point.value} is a {type(command).__name__}, not a click command")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the group's own options; a wrong one ends it with one line. No arguments at all show the help."""
        if not args:
            return super().parse_args(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            _leave(ctx, _describe_usage(error, ctx), error.exit_code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` start with; an unknown one is refused with the nearest known name."""
        name = args[0]
        known = self.list_commands(ctx)
        if not ctx.resilient_parsing and not name.startswith("-") and name.replace("-", "_") not in known:
            close = difflib.get_close_matches(name.replace("-", "_"), known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
            ctx.fail(f"no command {name!r}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; one that cannot be imported is listed with its reason instead of breaking the help."""
        rows = [(name, self._summarise(ctx, name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def _summarise(self, ctx: click.Context, name: str) -> str:
        try:
            command = self.get_command(ctx, name)
        except ImportError as error:
            return f"(unavailable: {error})"
        return command.get_short_help_str(limit=90) if command else ""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a root error or Ctrl-C ends it with one line and an exit code, a bug keeps its traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _leave(ctx, "interrupted: nothing was left half-written", EXIT_INTERRUPTED)
        except click.UsageError as error:
            _leave(ctx, _describe_usage(error, ctx), error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except OSError as error:
            if error.filename is None:  # not about a file: a bug
                raise
            _leave(ctx, f"error: {error.filename}: {error.strerror}; is it a place you may use?", EXIT_USER_ERROR)
        except Exception as error:
            exit_code = getattr(error, "exit_code", None)
            if not isinstance(exit_code, int):
                raise
            _leave(ctx, f"error: {' '.join(str(error).split())}", exit_code)


def _find_commands() -> dict[str, EntryPoint]:
    return {point.name.replace("-", "_"): point for point in entry_points(group=COMMAND_GROUP)}


def _describe_usage(error: click.UsageError, ctx: click.Context) -> str:
    """Put click's complaint about the command line and where to read on into one line."""
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"error: {message}; see {(error.ctx or ctx).command_path} --help"


def _leave(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    click.echo(message, err=True)
    ctx.exit(exit_code)


@click.group(cls=LazyGroup, name="after", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(after.__version__, prog_name="after")
def group() -> None:
    """Train, export and play streaming instruments: audio and MIDI in, latent diffusion inside, audio out."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; the console script's entry."""
    group.main(args=list(args) if args is not None else None, prog_name="after")
    raise AssertionError("click leaves through SystemExit")

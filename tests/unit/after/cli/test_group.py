import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import after
from after.cli import LazyGroup, group
from after.errors import AudioError
from render.errors import RenderError

PROJECT = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS = PROJECT["entry-points"]["after.commands"]


class FailingGroup(LazyGroup):
    """A group with one command of its own, which raises what it was given."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(name="after")
        self.error = error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["fail_now"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        @click.command()
        def command() -> None:
            raise self.error

        return command


@pytest.mark.parametrize(
    "error", [AudioError("audio has 3 samples;\n pad it"), RenderError("audio has 3 samples; pad it")]
)
def test_root_errors_become_one_line_and_exit_code_2(error: Exception) -> None:
    result = CliRunner().invoke(FailingGroup(error), ["fail_now"])
    assert result.exit_code == 2
    assert result.stderr == "error: audio has 3 samples; pad it\n"
    assert result.stdout == ""


def test_interruption_becomes_one_line_and_exit_code_130() -> None:
    result = CliRunner().invoke(FailingGroup(KeyboardInterrupt()), ["fail-now"])
    assert result.exit_code == 130
    assert result.stderr.startswith("interrupted")
    assert result.stderr.count("\n") == 1


def test_a_bug_keeps_its_traceback() -> None:
    result = CliRunner().invoke(FailingGroup(ZeroDivisionError("bug")), ["fail_now"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_file_that_the_system_refuses_is_one_line() -> None:
    result = CliRunner().invoke(FailingGroup(PermissionError(13, "Permission denied", "/sys/x.json")), ["fail_now"])
    assert result.exit_code == 2
    assert result.stderr == "error: /sys/x.json: Permission denied; is it a place you may use?\n"


def test_unknown_command_names_the_nearest() -> None:
    result = CliRunner().invoke(group, ["prepare-datset"])
    assert result.exit_code == 2
    assert "did you mean 'prepare_dataset'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--nothing"], "error: No such option '--nothing'; see after --help"),
        (["demo", "--nothing"], "error: No such option '--nothing'; see after demo --help"),
        (
            ["demo", "--steps", "0"],
            "error: Invalid value for '--steps': 0 is not in the range 1<=x<=64; see after demo --help",
        ),
        (["export", "a.safetensors"], "error: Missing option '--out' / '-o'; see after export --help"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments: list[str], line: str) -> None:
    result = CliRunner().invoke(group, arguments, prog_name="after")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [text.replace("-o' / '--out", "--out' / '-o") for text in result.stderr.splitlines()] == [line]


def test_no_arguments_show_the_help() -> None:
    assert "prepare_dataset" in CliRunner().invoke(group, []).output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_in_both_spellings(name: str) -> None:
    module, attribute = COMMANDS[name].split(":")
    assert isinstance(getattr(import_module(module), attribute), click.Command)
    for spelling in {name, name.replace("_", "-")}:
        result = CliRunner().invoke(group, [spelling, "--help"])
        assert result.exit_code == 0
        assert f"Usage: after {spelling}" in result.output


def test_installed_commands_are_those_of_the_project() -> None:
    assert group.list_commands(click.Context(group)) == sorted(COMMANDS)


def test_a_command_that_cannot_be_imported_does_not_break_the_help() -> None:
    class BrokenGroup(LazyGroup):
        """A group whose only command lives in a module that is not there."""

        def list_commands(self, ctx: click.Context) -> list[str]:
            return ["broken"]

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            command = EntryPoint(name=cmd_name, value="no_such_module:command", group="after.commands").load()
            assert isinstance(command, click.Command)
            return command

    result = CliRunner().invoke(BrokenGroup(name="after"), ["--help"])
    assert result.exit_code == 0
    assert "unavailable: No module named 'no_such_module'" in " ".join(result.output.split())


def test_version() -> None:
    result = CliRunner().invoke(group, ["--version"])
    assert result.output == f"after, version {after.__version__}\n"
    assert after.__version__ == PROJECT["version"]


def test_help_loads_no_heavy_library() -> None:
    program = (
        "import sys\n"
        "from after.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print(sorted({'torch', 'matplotlib', 'dawdreamer', 'librosa', 'scipy'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.rstrip().endswith("[]")
    assert "unavailable" not in result.stdout


def test_package_offers_its_public_names_lazily() -> None:
    assert {"Instrument", "load", "__version__"} <= set(dir(after))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = after.nothing

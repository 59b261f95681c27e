"""The recipe that compares models, with a stand-in for the command `after` that notes what it is asked for."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from after.conditioning.probes import ProbeScore
from after.config import load_settings
from after.evaluation.bootstrap import Interval
from after.evaluation.model_transfer import TransferMatrices
from after.evaluation.model_trials import ModelReport, Row
from after.evaluation.report import as_json
from after.settings import DiffusionTrainingSettings

RECIPE = Path(__file__).parents[4] / "after/recipes/model"
STAND_IN = f"""#!{sys.executable}
import json, os, pathlib, sys
with open(os.environ["LOG"], "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "train":
    folder = pathlib.Path(sys.argv[sys.argv.index("--out") + 1], "checkpoints")
    (count,) = [int(word.split("=")[1]) for word in sys.argv if word.startswith("training.iterations=")]
    folder.mkdir(parents=True, exist_ok=True)
    if not any(int(path.stem) >= count for path in folder.iterdir()):
        (folder / f"{{count:08d}}.safetensors").touch()
else:
    newest = max(pathlib.Path(sys.argv[2], "checkpoints").iterdir())
    path = pathlib.Path(sys.argv[sys.argv.index("--json") + 1])
    path.write_text(json.dumps({{"iterations": int(newest.stem), "trials": {{}}}}, indent=1))
    print("measured", newest.stem)
"""


class Recipe:
    """Runs compare.sh, and gives what it asked of `after`."""

    def __init__(self, folder: Path) -> None:
        self.work, self.log, program = folder / "work", folder / "log", folder / "bin" / "after"
        program.parent.mkdir()
        program.write_text(STAND_IN)
        program.chmod(0o755)
        self.environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "LOG": str(self.log)}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        return subprocess.run(
            ["sh", str(RECIPE / "compare.sh"), "store", str(self.work), *arguments],
            env=self.environment | environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def asked(self, *arguments: str, **environment: str) -> list[list[str]]:
        result = self.run(*arguments, **environment)
        assert result.returncode == 0, result.stderr
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def done(self, *arguments: str, **environment: str) -> list[str]:
        return [words[0] for words in self.asked(*arguments, **environment)]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path)


def test_figures_are_made_once(recipe: Recipe) -> None:
    assert recipe.done("20", "midi_unet", "midi_edm") == ["train", "evaluate_model"] * 2
    assert recipe.done("20", "midi_unet", "midi_edm") == ["train", "train"]
    assert "== midi_edm\nmeasured 00000020\n" in recipe.run("20", "midi_edm").stdout


def test_figures_of_another_number_of_updates_are_made_again(recipe: Recipe) -> None:
    recipe.done("20", "midi_edm")
    figures = recipe.work / "midi_edm.json"
    os.utime(recipe.work / "midi_edm/checkpoints/00000020.safetensors", (0, 0))
    recipe.done("30", "midi_edm", ONLY="train")
    os.utime(recipe.work / "midi_edm/checkpoints/00000030.safetensors", (0, 0))  # older than the figures
    assert recipe.done("30", "midi_edm") == ["train", "evaluate_model"]
    assert json.loads(figures.read_text())["iterations"] == 30


def test_figures_older_than_the_checkpoint_are_made_again(recipe: Recipe) -> None:
    recipe.done("20", "midi_edm")
    later = (recipe.work / "midi_edm.json").stat().st_mtime + 60
    os.utime(recipe.work / "midi_edm/checkpoints/00000020.safetensors", (later, later))
    assert recipe.done("20", "midi_edm") == ["train", "evaluate_model"]


def test_training_and_measuring_may_be_two_commands(recipe: Recipe) -> None:
    assert recipe.done("20", "midi_edm", ONLY="train") == ["train"]
    assert recipe.done("20", "midi_edm", ONLY="evaluate") == ["evaluate_model"]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("20", "midi_edm", "midi_emd"), {}, "unknown variant midi_emd"),
        (("midi_edm",), {}, "UPDATES is 'midi_edm'; it takes a whole number"),
        (("20",), {"ONLY": "measure"}, "ONLY is 'measure'; it takes train or evaluate"),
        (("20", "midi_edm"), {"ONLY": "evaluate"}, "was not trained for 20 updates (its newest checkpoint is none)"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    recipe: Recipe, arguments: tuple[str, ...], environment: Mapping[str, str], said: str
) -> None:
    result = recipe.run(*arguments, **environment)
    assert (result.returncode, recipe.log.read_text()) == (2, "")
    assert said in result.stderr


def test_a_run_of_more_updates_is_not_measured_as_one_of_fewer(recipe: Recipe) -> None:
    recipe.done("30", "midi_edm", ONLY="train")
    result = recipe.run("20", "midi_edm")
    assert result.returncode == 2
    assert "newest checkpoint is 00000030.safetensors" in result.stderr


def test_all_variants_have_the_same_budget_and_settings_that_exist(recipe: Recipe) -> None:
    trained = {}
    for words in recipe.asked("50", ONLY="train"):
        overrides = [words[index + 1] for index, word in enumerate(words) if word == "--set"]
        preset = words[words.index("--preset") + 1]
        trained[Path(words[words.index("--out") + 1]).name] = load_settings(
            DiffusionTrainingSettings, preset, overrides
        )
    assert tuple(trained) == runpy.run_path(str(RECIPE / "summary.py"))["VARIANTS"]
    assert {settings.training.iterations for settings in trained.values()} == {50}
    firsts = {name: settings.timbre_first.iterations for name, settings in trained.items()}
    assert {name: first for name, first in firsts.items() if first} == {"learned_timbre_first": 10}


def figures_of(num_steps: tuple[int, ...], *, has_transfer: bool = True) -> Any:
    known, alone = Interval(0.5, 0.25, 0.75, 8), Interval(2.0, float("nan"), float("nan"), 1)
    unknown = Interval(float("nan"), float("nan"), float("nan"), 0)
    report = ModelReport(
        rows=tuple(Row(count, known, known, alone, unknown) for count in num_steps),
        timbre_of_recordings=known,
        probes={"pitch in timbre": ProbeScore(0.33, 0.1, 0.4, 0.0, 8)},
        num_recordings=8,
        left_out=(),
    )
    matrix = np.array([[0.25, np.nan], [1.0, 0.75]])
    transfer = TransferMatrices(("flute", "oboe"), matrix, matrix.T, known, known) if has_transfer else None
    return as_json({"iterations": 20, "report": report, "transfer": transfer})


def read_tables(text: str) -> list[list[list[str]]]:
    """Read Markdown tables, each as rows of cells, the header first; the line below it must fit."""
    tables = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines()]
        assert rows[1] == ["---"] * len(rows[0])
        assert {len(row) for row in rows} == {len(rows[0])}
        tables.append([rows[0], *rows[2:]])
    return tables


def test_the_summary_is_markdown_in_the_order_of_the_recipe(tmp_path: Path) -> None:
    for name in ("learned_plain", "own_idea", "midi_unet"):
        figures = figures_of((1, 4), has_transfer=name == "midi_unet")
        (tmp_path / f"{name}.json").write_text(json.dumps(figures))
    shown = subprocess.run(
        [sys.executable, str(RECIPE / "summary.py"), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""
    variants, steps, pitch, timbre = read_tables(shown.stdout)
    assert [row[0] for row in variants] == ["variant", "midi_unet", "learned_plain", "own_idea"]
    assert variants[0][-3:] == [f"probe: {x}" for x in ("instrument in structure", "pitch in timbre",
                                                        "instrument in timbre")]  # fmt: skip
    assert variants[1][1:6] == ["20", "0.50 (0.25-0.75)", "0.50 (0.25-0.75)", "2.00", "-"]
    assert variants[1][-3:] == ["-", "0.33 (0.00)", "-"]
    assert variants[2][6:8] == ["-", "-"]
    assert [row[:2] for row in steps[:3]] == [["variant", "steps"], ["midi_unet", "1"], ["midi_unet", "4"]]
    assert len(steps) == 7
    assert pitch == [["", "flute", "oboe"], ["flute", "0.25", "-"], ["oboe", "1.00", "0.75"]]
    assert timbre[1:] == [["flute", "0.25", "1.00"], ["oboe", "-", "0.75"]]


def test_the_summary_of_nothing_says_what_is_missing(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, str(RECIPE / "summary.py"), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 2
    assert "has no figures" in shown.stderr

"""What the documents name must exist: paths, links, make targets and commands."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("after/**/*.md")])
FOLDERS = ("after", "render", "plugin_bridge", "maxpatches", "tests", "docs", ".ci")

CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`|^ {4}(.+)$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")
FOLDER_PATH = re.compile(rf"(?<![\w./~-])(?:\./)?((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*\w/?)(?![\w*{{<(])")
MAKE = re.compile(r"(?:^|\s)make ([a-z][a-z-]*)\b(?!=)", re.MULTILINE)
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?after ([a-z][a-z_-]+)", re.MULTILINE)


def code_of(document: Path) -> str:
    """Give everything a document marks as code, one span per line."""
    return "\n".join("".join(groups).strip() for groups in CODE.findall(document.read_text(encoding="utf-8")))


def identify(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_paths_exist(document: Path) -> None:
    missing = [path for path in FOLDER_PATH.findall(code_of(document)) if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(MAKE.findall(code_of(document))) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_commands_exist(document: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = set(project["entry-points"]["after.commands"])
    assert {name.replace("-", "_") for name in COMMAND.findall(code_of(document))} <= known


def test_pretrained_and_presets_are_packaged() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    patterns = setuptools["package-data"]["after"]
    packaged = {path for pattern in patterns for path in (ROOT / "after").glob(pattern) if path.is_file()}
    folders = [ROOT / "after" / name for name in ("presets", "pretrained", "recipes")]
    present = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert {path for path in present if "__pycache__" not in path.parts} <= packaged

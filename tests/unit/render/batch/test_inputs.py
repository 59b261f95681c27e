"""Files, folders and patterns become files in order, and the root under which their tree is kept."""

from pathlib import Path

import pytest

from render.batch.inputs import find_inputs
from render.errors import RenderError

FILES = ("stems/a.mid", "stems/b.MID", "stems/low/c.midi", "stems/low/deep/d.mid", "stems/e.wav", "other/f.mid")


def found(*texts: str, outputs: tuple[str, ...] = ()) -> tuple[list[str], str]:
    here = Path.cwd()
    inputs = find_inputs(texts, lambda path: str(path.relative_to(here)) in outputs)
    return [str(path.relative_to(here)) for path in inputs.sources], str(inputs.root.relative_to(here))


@pytest.fixture(autouse=True)
def _files() -> None:
    for name in (*FILES, "stems/notes.txt", "stems/.hidden.mid", "stems/.hidden/g.mid", "sessions/one.toml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    Path("stems/named_otherwise").write_bytes(b"MThd")


@pytest.mark.parametrize(
    ("texts", "sources", "root"),
    [
        (["stems/**/*.mid"], ["stems/a.mid", "stems/low/deep/d.mid"], "stems"),
        (["stems/*.mid"], ["stems/a.mid"], "stems"),
        (["stems/low/*/*.mid"], ["stems/low/deep/d.mid"], "stems/low"),
        (["*/f.mid"], ["other/f.mid"], "."),
        (
            ["stems/**"],
            [
                "stems/a.mid",
                "stems/b.MID",
                "stems/e.wav",
                "stems/low/c.midi",
                "stems/low/deep/d.mid",
                "stems/named_otherwise",
            ],
            "stems",
        ),
        (
            ["stems"],
            ["stems/a.mid", "stems/b.MID", "stems/low/c.midi", "stems/low/deep/d.mid", "stems/named_otherwise"],
            "stems",
        ),
        (["stems/low", "other"], ["stems/low/c.midi", "stems/low/deep/d.mid", "other/f.mid"], "."),
        (["stems/e.wav"], ["stems/e.wav"], "stems"),
        (["stems/notes.txt"], ["stems/notes.txt"], "stems"),
        (["sessions/*.toml"], ["sessions/one.toml"], "sessions"),
        (["stems/a.mid", "stems/low/c.midi"], ["stems/a.mid", "stems/low/c.midi"], "stems"),
        (["stems/../stems/a.mid", "stems/*.mid", "stems/a.mid"], ["stems/a.mid"], "stems"),
    ],
)
def test_what_is_found(texts: list[str], sources: list[str], root: str) -> None:
    assert found(*texts) == (sources, root)


def test_a_folder_without_midi_gives_its_recordings() -> None:
    Path("takes").mkdir()
    for name in ("a.wav", "b.flac", "c.txt"):
        Path("takes", name).write_bytes(b"")
    assert found("takes") == (["takes/a.wav", "takes/b.flac"], "takes")


def test_a_folder_gives_recordings_alone_if_they_are_wanted() -> None:
    inputs = find_inputs(["stems"], lambda path: False, only_recordings=True)
    assert [path.name for path in inputs.sources] == ["e.wav"]


def test_outputs_of_a_batch_are_no_inputs_unless_they_are_named() -> None:
    written = ("stems/a.mid",)
    assert "stems/a.mid" not in found("stems", outputs=written)[0]
    assert "stems/a.mid" not in found("stems/*", outputs=written)[0]
    assert found("stems/a.mid", outputs=written)[0] == ["stems/a.mid"]


def test_a_name_with_brackets_is_a_file_where_there_is_one() -> None:
    Path("take [1].mid").write_bytes(b"")
    assert found("take [1].mid") == (["take [1].mid"], ".")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("missing.mid", "missing.mid is not a file"),
        ("stems/*.kar", "matches stems/"),
        ("empty", "empty holds no MIDI files"),
    ],
)
def test_nothing_is_an_error(text: str, words: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(RenderError, match=words):
        found("stems", text)

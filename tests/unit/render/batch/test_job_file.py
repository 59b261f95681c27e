"""Rows of job files say what the command line would say."""

from pathlib import Path
from typing import Any

import click
import pytest

from render.batch.cli import ROW_OPTIONS, command
from render.batch.job_file import Row, read_job_file
from render.errors import RenderError

OPTIONS = {str(param.name): param for param in command.params if param.name in ROW_OPTIONS}


def read(text: str, name: str = "sheet/jobs.csv") -> tuple[Row, ...]:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return read_job_file(Path(name), OPTIONS)


TABLES = {
    "sheet/jobs.csv": """\
\ufeffsource,timbre, timbre-for,effects,instrument,seed,steps,temperature,normalize,out,bit_depth
a.mid,"cello, flute",1=violin;4=x.wav,chain.toml,my.ts,7,3,0.5,yes,x/y.flac,16

/abs/b.mid,voice.wav,,room,,,,,,,
""",
    "sheet/jobs.toml": """
[[job]]
source = "a.mid"
timbre = ["cello, flute"]
timbre-for = ["1=violin", "4=x.wav"]
effects = "chain.toml"
instrument = "my.ts"
seed = 7
steps = 3
temperature = 0.5
normalize = true
out = "x/y.flac"
bit_depth = 16
[[job]]
source = "/abs/b.mid"
timbre = "voice.wav"
effects = "room"
""",
}


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_value(name: str) -> None:
    Path("sheet").mkdir()
    for file in ("chain.toml", "voice.wav", "x.wav"):
        Path("sheet", file).touch()
    first, second = read(TABLES[name], name)
    assert (first.source, first.out) == (Path("sheet/a.mid"), Path("x/y.flac"))
    assert first.values == {
        "timbre": ("cello, flute",),
        "timbre_for": ("1=violin", "4=sheet/x.wav"),
        "effects": "sheet/chain.toml",
        "instrument": Path("sheet/my.ts"),
        "seed": 7,
        "steps": 3,
        "temperature": 0.5,
        "normalize": True,
        "bit_depth": "16",
    }
    assert (second.source, second.out) == (Path("/abs/b.mid"), None)
    assert second.values == {"timbre": ("sheet/voice.wav",), "effects": "room"}
    assert second.place == ("sheet/jobs.csv line 4" if name.endswith("csv") else "sheet/jobs.toml job 2")


def test_timbres_by_channel_may_be_a_table() -> None:
    (row,) = read('[[job]]\nsource = "a.mid"\ntimbre_for = {1 = "violin", 4 = "cello"}\n', "sheet/jobs.toml")
    assert row.values == {"timbre_for": ("1=violin", "4=cello")}


def test_every_option_may_stand_in_a_row() -> None:
    of_render = {"timbre", "timbre_for", "instrument", "effects", "seed", "steps", "tail_seconds", "bit_depth"}
    assert of_render | {"format", "normalize", "transpose"} <= set(OPTIONS)


def one(column: str, value: str) -> str:
    return f"source,{column}\na.mid,{value}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source,timber\na.mid,cello\n", ["line 2", "unknown column 'timber' (did you mean timbre?)"]),
        ("source,sed\na.mid,1\n", ["did you mean seed?"]),
        ("source,xyz\na.mid,1\n", ["unknown column 'xyz'", "; columns: source, out, format, timbre"]),
        ("timbre\ncello\n", ["line 2 has no source"]),
        ("source\n", ["holds no jobs"]),
        ("", ["holds no jobs"]),
        ("source,source\na,b\n", ["two columns source"]),
        ("source,seed\na.mid,1,2\n", ["line 2 has 3 cells for 2 columns"]),
        (one("seed", "x"), ["line 2: seed", "not a valid integer"]),
        (one("seed", "-1"), ["line 2: seed", "range 0<=x"]),
        (one("steps", "2.5"), ["steps", "not a valid integer"]),
        (one("temperature", "9"), ["temperature", "range"]),
        (one("normalize", "maybe"), ["normalize", "not a valid boolean"]),
        (one("bit_depth", "12"), ["bit_depth", "not one of"]),
        ('source\n"a.mid\n', ["cannot be read as CSV"]),
    ],
)
def test_mistakes_in_a_table_are_told_with_their_place(text: str, words: list[str]) -> None:
    with pytest.raises(RenderError) as caught:
        read(text)
    for word in ("sheet/jobs.csv", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("job = 3", "is no list of jobs"),
        ('[job]\nsource = "a"', "is no list of jobs"),
        ('timbre = "x"\n[[job]]\nsource = "a"', "is no list of jobs"),
        ("[[job", "cannot be read as TOML"),
        ('[[job]]\nsource = "a"\nseed = true', "job 1: seed: 'True' is not a valid integer"),
        ('[[job]]\nsource = "a"\nseed = 2.5', "job 1: seed: '2.5' is not a valid integer"),
        ('[[job]]\nsource = "a"\nseed = [1, 2]', "job 1: seed takes one value"),
        ('[[job]]\nsource = "a"\nseed = {a = 1}', "must be a text or a number"),
        ('[[job]]\nsource = ["a", "b"]', "job 1: source takes one value"),
        ('[[job]]\nsource = "a"\n[[job]]\nsourc = "a"', "job 2: unknown column 'sourc' (did you mean source?)"),
    ],
)
def test_mistakes_in_toml_are_told_with_their_place(text: str, words: str) -> None:
    with pytest.raises(RenderError) as caught:
        read(text, "sheet/jobs.toml")
    assert words in str(caught.value)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(RenderError, match=r"missing\.csv cannot be read"):
        read_job_file(Path("missing.csv"), OPTIONS)


def test_options_of_the_command_are_those_of_render() -> None:
    from render.cli import command as render_command

    def described(owner: click.Command) -> dict[str, Any]:
        return {str(param.name): param.type.to_info_dict() for param in owner.params if param.name in ROW_OPTIONS}

    of_render = described(render_command)
    assert of_render == {name: info for name, info in described(command).items() if name != "format"}

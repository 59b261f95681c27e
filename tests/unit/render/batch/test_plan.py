"""Where outputs go, what is refused before work begins, and what is already there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from render.batch.cli import command
from render.batch.inputs import find_inputs
from render.batch.job_file import Row
from render.batch.plan import Item, check_items, items_of_inputs, items_of_rows, plan_steps, split_timbres
from render.batch.records import Records, hash_file
from render.errors import OutputError, RenderError, TimbreError
from tests.unit.render.batch.batches import INSTRUMENT, write_song


def values(**given: object) -> dict[str, Any]:
    """Give what the options of `after batch` say unless told otherwise."""
    defaults = command.make_context("batch", ["--out", "out"]).params
    return {**defaults, "instrument": Path(INSTRUMENT), "timbre": ("bright",), **given}


def items(*texts: str, out: str = "out", **given: object) -> tuple[Item, ...]:
    folder = Path(out).absolute()
    return items_of_inputs(find_inputs(texts, Records(folder).has), values(**given), folder)


def outputs(planned: tuple[Item, ...], out: str = "out") -> list[str]:
    return [str(item.output.relative_to(Path(out).absolute())) for item in planned]


def row(source: str, out: str | None = None, place: str = "jobs.csv line 2", **given: object) -> Row:
    return Row(place, Path(source), Path(out) if out else None, given)


def of_rows(*rows: Row, root: str = ".", **given: object) -> tuple[Item, ...]:
    return items_of_rows(rows, values(**given), Path("out").absolute(), Path(root))


def test_the_tree_below_the_root_is_kept() -> None:
    write_song("stems/a.mid", 60)
    write_song("stems/low/b.take.mid", 60)
    assert outputs(items("stems/**/*.mid")) == ["a.wav", "low/b.take.wav"]
    assert outputs(items("stems/low/*.mid", format="flac")) == ["b.take.flac"]


def test_several_timbres_have_folders_of_their_names() -> None:
    write_song("a.mid", 60)
    Path("voices").mkdir()
    Path("voices/my voice.wav").touch()
    planned = items("a.mid", timbre=("bright, dark", "0.3,-0.5", "voices/my voice.wav", "bright"))
    assert outputs(planned) == ["bright/a.wav", "dark/a.wav", "0.3,-0.5/a.wav", "my_voice/a.wav"]
    voice = str(Path("voices/my voice.wav").absolute())
    assert [item.job.timbre for item in planned] == ["bright", "dark", "0.3,-0.5", voice]


def test_timbres_are_parted_at_commas_except_in_places_and_files() -> None:
    Path("a, b.wav").touch()
    assert split_timbres(["cello , flute,", "a, b.wav", "-1,.5", "flute"]) == ("cello", "flute", "a, b.wav", "-1,.5")
    with pytest.raises(RenderError, match="no timbre"):
        split_timbres([","])


def test_rows_say_where_they_go_and_take_the_rest_from_the_command_line() -> None:
    planned = of_rows(
        row("sheet/low/a.mid"),
        row("sheet/low/a.mid", "x/y"),
        row("sheet/low/a.mid", "x/z.flac", seed=3),
        row("sheet/b.mid", "take.1", timbre=("bright", "dark"), bit_depth="16"),
        root="sheet",
        seed=7,
        format="ogg",
    )
    assert outputs(planned) == ["low/a.ogg", "x/y.ogg", "x/z.flac", "bright/take.1.ogg", "dark/take.1.ogg"]
    assert [item.job.settings.seed for item in planned] == [7, 7, 3, 7, 7]
    assert [item.bit_depth for item in planned] == [24, 24, 24, 16, 16]
    assert outputs(of_rows(row("elsewhere/c.mid"), row("sheet/b.mid"), root="sheet")) == [
        "elsewhere/c.wav",
        "sheet/b.wav",
    ]


@pytest.mark.parametrize("out", ["/abs/a.wav", "../a.wav", "x/../../a.wav"])
def test_rows_stay_inside_of_the_folder(out: str) -> None:
    with pytest.raises(OutputError, match=r"jobs\.csv line 2: out = .* inside of the folder"):
        of_rows(row("a.mid", out))


def test_a_wrong_channel_is_told_with_its_place() -> None:
    with pytest.raises(TimbreError, match=r"jobs\.csv line 2: --timbre-for 17=x"):
        of_rows(row("a.mid", timbre_for=("17=x",)))


def refusal(planned: tuple[Item, ...]) -> str:
    with pytest.raises(OutputError) as caught:
        check_items(planned)
    return str(caught.value).replace(f"{Path.cwd()}/", "")


def test_two_jobs_never_write_one_file() -> None:
    for name in ("a.mid", "a.midi"):
        write_song(name, 60)
    assert refusal(items("a.mid", "a.midi")).startswith("a.mid and a.midi would both write out/a.wav; give")
    rows = row("a.mid", place="jobs.csv line 2"), row("a.mid", "a.wav", place="jobs.csv line 3")
    assert "jobs.csv line 2 and jobs.csv line 3 would both write out/a.wav" in refusal(of_rows(*rows))
    check_items(items("a.mid", timbre=("bright", "dark")))


@pytest.mark.parametrize(
    ("given", "what"),
    [({}, "take.wav"), ({"timbre": ("voice.wav",)}, "voice.wav"), ({"timbre_for": ("1=voice.wav",)}, "voice.wav")],
)
def test_what_is_read_is_never_written(given: Mapping[str, object], what: str) -> None:
    Path("take.wav").touch()
    Path("voice.wav").touch()
    sources = ["take.wav"] if what == "take.wav" else ["voice.mid"]
    Path("voice.mid").touch()
    assert f"would write {what}, which" in refusal(items(*sources, out=".", **given))
    check_items(items(*sources, out=".", format="flac", **given))


def test_a_link_to_a_source_is_not_written_through() -> None:
    Path("take.wav").touch()
    Path("out").mkdir()
    Path("out/take.wav").symlink_to(Path("take.wav").absolute())
    assert "would write out/take.wav, which take.wav reads" in refusal(items("take.wav"))


def test_formats_are_checked_before_work_begins() -> None:
    write_song("a.mid", 60)
    assert "flac holds 16 or 24 bits" in refusal(items("a.mid", format="flac", bit_depth="32"))


def standing(*, force: bool = False, **given: object) -> str:
    records = Records(Path("out").absolute())
    (step,) = plan_steps(items("a.mid", **given), records, force=force)
    return f"{step.standing} {step.reason}".strip().replace(f"{Path.cwd()}/", "")


def make(**given: object) -> None:
    """Put something in the place of the render, and remember it as the render."""
    records = Records(Path("out").absolute())
    (step,) = plan_steps(items("a.mid", **given), records, force=True)
    with records.spool() as folder:
        (folder / "0").write_bytes(b"audio")
        records.put(folder / "0", step.item.output, step.fingerprint, hash_file(folder / "0"), force=True)


def test_how_an_output_stands() -> None:
    write_song("a.mid", 60)
    assert standing() == "new"
    make()
    assert standing() == "there"
    assert standing(force=True) == "forced"
    assert standing(seed=1).startswith("changed")
    assert standing(bit_depth="16").startswith("changed")
    assert standing(format="flac") == "new"
    write_song("a.mid", 61)
    assert standing().startswith("changed")
    make()
    Path("out/a.wav").write_bytes(b"mine!")
    assert standing().startswith("refused out/a.wav was changed since it was rendered; delete it, or")
    assert standing(force=True) == "forced"
    Path("out/a.wav").unlink()
    assert standing() == "new"


def test_what_no_batch_rendered_is_left_alone() -> None:
    write_song("a.mid", 60)
    Path("out").mkdir()
    Path("out/a.wav").write_bytes(b"mine")
    assert standing().startswith("refused out/a.wav is there and no batch rendered it")
    Path("out/a.wav").unlink()
    Path("out/a.wav").mkdir()
    assert standing() == "refused out/a.wav is a folder"


def test_a_source_that_cannot_be_read_is_refused_alone() -> None:
    write_song("a.mid", 60)
    records = Records(Path("out").absolute())
    steps = plan_steps(of_rows(row("a.mid"), row("missing.mid")), records, force=False)
    assert [step.standing for step in steps] == ["new", "refused"]
    assert "missing.mid" in steps[1].reason

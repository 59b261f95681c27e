"""What a batch is to do: every render with its output, and whether it is there already."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from render.batch.inputs import Inputs, absolute, common_folder
from render.batch.job_file import Row, is_path
from render.batch.records import Records
from render.errors import OutputError, RenderError
from render.job import MENDABLE, Job, job_hash
from render.options import make_job
from render.output import check_format
from render.timbres import parse_place

_NOT_IN_NAMES = re.compile(r"[^\w.,+-]+")

Standing = Literal["new", "changed", "forced", "there", "refused"]
"""Of an output: to be rendered for one of three reasons, there already, or not to be touched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One render: a job with absolute paths, and the file it becomes; `place` is where it was asked for, in a file."""

    job: Job
    output: Path
    bit_depth: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """An item, how its output stands, why, and what names the render."""

    item: Item
    standing: Standing
    reason: str
    fingerprint: str

    @property
    def is_to_do(self) -> bool:
        """Whether it is to be rendered."""
        return self.standing in ("new", "changed", "forced")


def items_of_inputs(inputs: Inputs, values: Mapping[str, Any], folder: Path) -> tuple[Item, ...]:
    """Give what is rendered of files that were named on the command line.

    Args:
        inputs: the files.
        values: of the options of `after batch`, by name.
        folder: of the outputs.
    """
    return tuple(
        item for source in inputs.sources for item in _items(source, source.relative_to(inputs.root), values, folder)
    )


def items_of_rows(rows: Sequence[Row], values: Mapping[str, Any], folder: Path, root: Path) -> tuple[Item, ...]:
    """Give what is rendered by the rows of a job file.

    Args:
        rows: of the job file.
        values: for what a row does not say.
        folder: of the outputs.
        root: the folder of the job file; what lies in it keeps its path.

    Raises:
        OutputError: if an `out` lies outside of the folder.
    """
    sources = [absolute(row.source) for row in rows]
    root = common_folder([absolute(root), *(source.parent for source in sources)])
    items: list[Item] = []
    for row, source in zip(rows, sources, strict=True):
        if row.out is not None and (row.out.is_absolute() or ".." in row.out.parts):
            raise OutputError(f"{row.place}: out = {row.out} must be a path inside of the folder of the batch")
        below = row.out or source.relative_to(root)
        merged = {**values, **row.values}
        try:
            items += _items(source, below, merged, folder, is_named=row.out is not None, place=row.place)
        except RenderError as error:
            raise type(error)(f"{row.place}: {error}") from error
    return tuple(items)


def check_items(items: Sequence[Item]) -> None:
    """Make sure that no output is written twice, that nothing which is read is written, and that instruments exist.

    Raises:
        OutputError: naming both jobs.
        RenderError: if there is no instrument.
    """
    by_output: dict[Path, Item] = {}
    read = {path: item for item in items for path in _files_of(item.job)}
    for item in items:
        check_format(item.output, bit_depth=item.bit_depth)
        if item.job.instrument is not None and not item.job.instrument.is_file():
            raise RenderError(f"{_named(item)} asks for an instrument that is not there: {item.job.instrument}")
        if item.output in by_output:
            raise OutputError(
                f"{_named(by_output[item.output])} and {_named(item)} would both write {item.output}; give one of them "
                "another name, or render them into two folders"
            )
        by_output[item.output] = item
        reader = read.get(item.output.resolve())
        if reader is not None:
            raise OutputError(
                f"{_named(item)} would write {item.output}, which {_named(reader)} reads; choose another --out or "
                "--format"
            )


def plan_steps(items: Sequence[Item], records: Records, *, force: bool) -> tuple[Step, ...]:
    """Find out which items are to be rendered.

    Args:
        items: all of the batch.
        records: what the folder remembers.
        force: render everything, and replace what is in the way.
    """
    return tuple(_step(item, records, force=force) for item in items)


def split_timbres(texts: Sequence[str]) -> tuple[str, ...]:
    """Part timbres at commas, each once; places on the map and files stay whole."""
    timbres: dict[str, None] = {}
    for text in texts:
        is_one = is_path(Path(text)) or parse_place(text) is not None
        parts = [text] if is_one else [part.strip() for part in text.split(",")]
        timbres |= dict.fromkeys(part for part in parts if part)
    if not timbres:
        raise RenderError("no timbre was given; name one, or leave --timbre out")
    return tuple(timbres)


def _items(
    source: Path, below: Path, values: Mapping[str, Any], folder: Path, *, is_named: bool = False, place: str = ""
) -> list[Item]:
    """Give the renders of one source, in each of its timbres; `below` is its place in the tree."""
    timbres = split_timbres(values["timbre"])
    output = _output_name(below, values["format"], is_named=is_named)
    return [
        Item(
            job=_absolute(make_job(source, {**values, "timbre": timbre})),
            output=folder / (output if len(timbres) == 1 else timbre_folder(timbre) / output),
            bit_depth=int(values["bit_depth"]),
            place=place,
        )
        for timbre in timbres
    ]


def timbre_folder(timbre: str) -> Path:
    """Give the folder for the renders in one of several timbres: its name, or that of its file without suffix."""
    name = Path(timbre).stem if is_path(Path(timbre)) else timbre
    return Path(_NOT_IN_NAMES.sub("_", name).lstrip(".") or "_")


def _output_name(below: Path, suffix: str, *, is_named: bool) -> Path:
    """Give an output the suffix of its format; a name that was given may have one that counts."""
    if not is_named:
        return below.with_suffix(f".{suffix}")
    try:
        check_format(below, bit_depth=16)
    except OutputError:
        return below.with_name(f"{below.name}.{suffix}")
    return below


def _absolute(job: Job) -> Job:
    """Make the paths of a job absolute: workers may have another working folder."""

    def located(text: str) -> str:
        return str(absolute(Path(text))) if is_path(Path(text)) else text

    return replace(
        job,
        timbre=located(job.timbre),
        timbre_for=tuple((channel, located(timbre)) for channel, timbre in job.timbre_for),
        instrument=None if job.instrument is None else absolute(job.instrument),
        effects=located(job.effects),
    )


def _files_of(job: Job) -> set[Path]:
    """Give the files that a job reads, links followed."""
    named = (job.timbre, job.effects, *(timbre for _, timbre in job.timbre_for))
    paths = [job.source, *(Path(text) for text in named if is_path(Path(text)))]
    return {path.resolve() for path in (*paths, job.instrument) if path is not None}


def _named(item: Item) -> str:
    return item.place or str(item.job.source)


def _step(item: Item, records: Records, *, force: bool) -> Step:
    """Compare what an item is with what lies at its place."""
    try:
        fingerprint = f"{job_hash(item.job)} {item.bit_depth}"
        if force:
            return Step(item, "forced", "", fingerprint)
        if not item.output.exists():
            return Step(item, "new", "", fingerprint)
        if item.output.is_dir():
            return Step(item, "refused", f"{item.output} is a folder", fingerprint)
        made = records.find(item.output)
    except MENDABLE as error:
        return Step(item, "refused", " ".join(str(error).split()), "")
    if made is not None and made.fingerprint == fingerprint:
        return Step(item, "there", "", fingerprint)
    if made is not None:
        return Step(item, "changed", "the job is not the one that it was rendered from", fingerprint)
    known = "was changed since it was rendered" if records.has(item.output) else "is there and no batch rendered it"
    return Step(item, "refused", f"{item.output} {known}; delete it, or replace it with --force", fingerprint)

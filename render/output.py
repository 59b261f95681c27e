"""Where the audio goes: checked before the minutes of rendering, written whole or not at all."""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from after.audio import write_audio
from after.errors import AudioError
from render.engine import RenderResult
from render.errors import OutputError

BIT_DEPTHS = (16, 24, 32)

_SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
_NO_FILE_NAME = re.compile(r"[^\w .+-]+")
_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


def check_output(path: Path, *, bit_depth: int, force: bool = False) -> None:
    """Make sure that a render can be written to a path.

    Raises:
        OutputError: if the format, the bit depth, the folder or an existing file stands in the way.
    """
    check_format(path, bit_depth=bit_depth)
    check_place(path, force=force)


def check_format(path: Path, *, bit_depth: int) -> None:
    """Make sure that the suffix of a path names a format that can be written.

    Raises:
        OutputError: if it does not, or the format does not hold so many bits.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path} has no audio suffix that can be written; use {', '.join(_SUFFIXES)}")
    if path.suffix.lower() == ".flac" and bit_depth == 32:
        raise OutputError(f"{path}: flac holds 16 or 24 bits, not 32; use --bit-depth 24 or a .wav file")


def check_place(path: Path, *, force: bool = False) -> None:
    """Make sure that a file can be created or, with `force`, replaced.

    Raises:
        OutputError: if it cannot.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give the path of a file in it")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is not a folder that exists; make it first or write elsewhere")
    if path.exists() and not force:
        raise OutputError(f"{path} exists; use --force to replace it or another name with --out")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); choose a folder you may write to") from error


def check_apart(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Make sure that no file is written twice, and none that is read.

    Raises:
        OutputError: if one is.
    """
    written = [path.resolve() for path in outputs]
    for path, place in zip(outputs, written, strict=True):
        if written.count(place) > 1:
            raise OutputError(f"{path} would be written twice; give mix, stems and picture names of their own")
        if place in {source.resolve() for source in inputs}:
            raise OutputError(f"{path} is part of what is rendered; write elsewhere with --out")


def check_picture(path: Path, *, force: bool = False) -> None:
    """Make sure that a picture can be written to a path.

    Raises:
        OutputError: if it is no .png, or the folder or an existing file stands in the way.
    """
    if path.suffix.lower() != ".png":
        raise OutputError(f"{path} is no name for a picture; use .png")
    check_place(path, force=force)


def write_render(path: Path, result: RenderResult, *, bit_depth: int, tags: Mapping[str, str] | None = None) -> None:
    """Write a render atomically, in the format of the suffix.

    Args:
        path: .wav, .flac, .ogg or .mp3.
        result: from `render_timeline`.
        bit_depth: 16 or 24 bits (integer), or 32 (float, wav only); Ogg Vorbis and mp3 ignore it.
        tags: see `describe_render`.

    Raises:
        OutputError: if the file cannot be written after all.
    """
    try:
        write_audio(path, result.audio, result.sample_rate, subtype=_SUBTYPES[bit_depth], tags=tags)
    except (AudioError, OSError) as error:
        raise OutputError(str(error)) from error


def stem_paths(folder: Path, names: Sequence[str], suffix: str) -> dict[str, Path]:
    """Give the files of stems by their names, which may hold what file names may not.

    Raises:
        OutputError: if two names would be one file.
    """
    paths = {name: folder / f"{_NO_FILE_NAME.sub('_', name).strip() or 'stem'}{suffix}" for name in names}
    if len({path.name.lower() for path in paths.values()}) < len(paths):
        raise OutputError(f"the stems {', '.join(names)} cannot all be told apart as files; name the tracks otherwise")
    return paths


def write_stems(
    folder: Path, result: RenderResult, *, suffix: str, bit_depth: int, tags: Mapping[str, str] | None = None
) -> list[Path]:
    """Write the stems of a render into a folder, which is made if need be; gives their paths.

    Raises:
        OutputError: if a file cannot be written after all.
    """
    paths = stem_paths(folder, list(result.stems), suffix)
    for name, path in paths.items():
        stem = RenderResult(result.stems[name], result.sample_rate)
        write_render(path, stem, bit_depth=bit_depth, tags={**(tags or {}), "title": name})
    return list(paths.values())


def describe_render(seed: int, job: str, instruments: Sequence[str]) -> dict[str, str]:
    """Give what an audio file says of where it comes from: the package, and as JSON what it takes to make it again.

    Args:
        seed: of the noise.
        job: its hash.
        instruments: the hashes of the instruments' files.
    """
    version = metadata.version("after-synth")
    values = {"seed": seed, "job": job, "instruments": list(instruments), "version": version}
    return {"software": f"AFTER {version}", "comment": json.dumps(values)}

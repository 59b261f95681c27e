"""What happens to one job, in a worker process that keeps its instruments loaded."""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from after.data.pool.local import StoppedError, check_stop
from render.batch.records import hash_file
from render.job import MENDABLE, Job, prepare_job, render_job, tags_of
from render.output import write_render

if TYPE_CHECKING:
    from after.instrument import Instrument

_INSTRUMENTS_KEPT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderTask:
    """One job of a batch.

    Attributes:
        number: which item of the batch it is.
        job: with absolute paths, as workers on other machines have working folders of their own.
        suffix: of the output, which gives its format.
        bit_depth: of the output.
        spool_path: where to leave it.
    """

    number: int
    job: Job
    suffix: str
    bit_depth: int
    spool_path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """A render that lies in the spool: its length, how long it took, what is to be said, the hash of its contents."""

    audio_s: float
    wall_s: float
    remarks: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no render; of what nobody foresaw, the traceback too."""

    reason: str
    details: str = ""


def render_task(task: RenderTask) -> Rendered | Failed:
    """Render one job on one thread and leave the file in the spool; what goes wrong is an answer, not an exception."""
    started_s = time.monotonic()
    try:
        with _one_thread():
            audio_s, remarks = _render(task)
        return Rendered(
            audio_s=audio_s, wall_s=time.monotonic() - started_s, remarks=remarks, sha256=hash_file(task.spool_path)
        )
    except StoppedError:
        raise
    except MENDABLE as error:
        return Failed(" ".join(str(error).split()))
    except Exception as error:  # a bug must not cost the rest of a long batch
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Failed(f"unforeseen {reason}", traceback.format_exc())


def _render(task: RenderTask) -> tuple[float, tuple[str, ...]]:
    """Give the seconds of audio and the remarks."""
    prepared = prepare_job(task.job, load_pristine)
    tags = tags_of(prepared)
    check_stop()
    result = render_job(prepared, lambda name, fraction: check_stop())
    path = task.spool_path.with_name(f"{task.spool_path.name}{task.suffix}")
    write_render(path, result, bit_depth=task.bit_depth, tags=tags)
    path.replace(task.spool_path)
    return result.audio.shape[-1] / result.sample_rate, (*prepared.timeline.remarks, *result.remarks)


def load_pristine(path: Path | None) -> "Instrument":
    """Give an instrument as if it had just been loaded, whatever was played before; the latest ones are kept."""
    from after.instrument.instrument import BUNDLED

    status = (path or BUNDLED).stat() if (path or BUNDLED).exists() else None
    instrument, attributes = _loaded(path, (status.st_size, status.st_mtime_ns) if status else (0, 0))
    instrument.set(**attributes)
    return instrument


@lru_cache(maxsize=_INSTRUMENTS_KEPT)
def _loaded(path: Path | None, version: tuple[int, int]) -> tuple["Instrument", dict[str, float]]:
    """Load an instrument; `version` tells files apart that had the same name one after the other."""
    from after.instrument import Instrument

    instrument = Instrument.load(path)
    return instrument, asdict(instrument.attributes)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: processes share the work, and threads that outnumber the cores wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

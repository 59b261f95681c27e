"""Cases are rendered, and compared with their references or recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

from after.errors import AfterError
from render.engine import Progress
from render.errors import RenderError
from render.golden.compare import Comparison, Sound, compare_audio
from render.golden.errors import GoldenError
from render.golden.note import keep_note, make_note
from render.golden.reference import record_sound
from render.golden.settings import Case
from render.job import InstrumentLoader, Prepared, prepare_job, render_job


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A case as it is rendered now, and as it was recorded."""

    render: Sound
    reference: Sound
    comparison: Comparison


def prepare_cases(cases: Sequence[Case], load: InstrumentLoader) -> list[tuple[Case, Prepared]]:
    """Read and check what all cases name, before any is rendered.

    Each gets an instrument of its own: what one case sets of it must not reach the next.

    Raises:
        GoldenError: if something does not fit, or a file cannot be read; names the case.
    """
    prepared = []
    for case in cases:
        try:
            prepared.append((case, prepare_job(case.job, load)))
        except (RenderError, AfterError) as error:
            raise GoldenError(f"case {case.name}: {error}") from error
    return prepared


def check_case(case: Case, prepared: Prepared, reference: Sound, progress: Progress | None = None) -> Outcome:
    """Render a case and compare it with its reference.

    Raises:
        RenderError: if it cannot be rendered after all.
    """
    render = render_sound(prepared, progress)
    return Outcome(render, reference, compare_audio(reference, render, case.tolerance))


def record_case(case: Case, prepared: Prepared, render: Sound) -> str:
    """Make the render of a case its reference, with a note, and say what that changed.

    Raises:
        GoldenError: if it cannot be recorded.
        OSError: if the note cannot be written.
    """
    said = record_sound(case.reference, render, case.tolerance)
    keep_note(case.reference, make_note(prepared), is_unchanged=said == "unchanged")
    return said


def render_sound(prepared: Prepared, progress: Progress | None = None) -> Sound:
    """Render a case.

    Raises:
        RenderError: if it cannot be rendered after all.
    """
    result = render_job(prepared, progress)
    return Sound(result.audio, result.sample_rate)

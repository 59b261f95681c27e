"""A pytest plugin: the fixture `golden_audio` pins what a test renders. Importing it loads nothing heavy.

    def test_chorus(golden_audio):
        golden_audio(render_chorus(), 44100, name="chorus", level_db=0.05)

The reference lies in golden/<stem of the test file>/<name>.flac beside the test file; `pytest --golden-record` writes
it.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from render.golden.compare import Sound, Tolerance

FOLDER = "golden"

_PROPERTY = "golden_audio"
_RECORDED = pytest.StashKey[set[Path]]()


class GoldenAudio:
    """Compares audio with what was recorded, or records it."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        """Use the fixture `golden_audio`."""
        self._request = request
        self._must_record: bool = request.config.getoption("--golden-record")

    def __call__(
        self, audio: "NDArray[np.floating[Any]]", sample_rate: int, *, name: str | None = None, **tolerances: float
    ) -> None:
        """Fail the test if audio differs from its reference by more than it may, or has none.

        With `--golden-record` it becomes the reference, unless this run has recorded that already: then the two are
        compared.

        Args:
            audio: [C, T] or [T], full scale +-1.
            sample_rate: Hz.
            name: of the reference, which several tests may share; the test's own if not given.
            tolerances: `level_db`, `residual_db`, ...: see `render.golden.compare.Tolerance`.

        Raises:
            GoldenError: for a name that is no file's, and audio that is none or cannot be recorded.
            ConfigError: for a tolerance that is none.
        """
        __tracebackhide__ = True
        from render.golden.compare import make_tolerance
        from render.golden.reference import make_sound, record_sound

        path = self._reference_path(name)
        sound, tolerance = make_sound(audio, sample_rate), make_tolerance(tolerances)
        recorded = self._request.config.stash.setdefault(_RECORDED, set())
        if self._must_record and path not in recorded:
            said = record_sound(path, sound, tolerance)
            recorded.add(path)
            self._request.node.user_properties.append((_PROPERTY, f"{path}: {said}"))
            return
        if complaint := self._complaint(path, sound, tolerance):
            pytest.fail(complaint)

    def _complaint(self, path: Path, sound: "Sound", tolerance: "Tolerance") -> str | None:
        """Say what is wrong, and where the render is to be heard; None if nothing is."""
        from after.audio import write_audio
        from render.golden.compare import compare_audio
        from render.golden.reference import read_reference
        from render.golden.table import format_comparison

        reference = read_reference(path)
        comparison = None if reference is None else compare_audio(reference, sound, tolerance)
        if comparison is not None and comparison.has_passed:
            return None
        kept = self._request.getfixturevalue("tmp_path") / f"{path.stem}.wav"
        write_audio(kept, sound.audio, sound.sample_rate, subtype="FLOAT")
        again = f'pytest --golden-record "{self._request.node.nodeid}"'
        if comparison is None:
            return f"there is no {path}. The render is in {kept}; if it is right: {again}"
        return (
            f"the render differs from {path}:\n{format_comparison(comparison)}\n"
            f"The render is in {kept}; if it is as it should be: {again}"
        )

    def _reference_path(self, name: str | None) -> Path:
        from render.golden.errors import GoldenError
        from render.golden.reference import NAME

        if name is None:
            name = re.sub(r"[^\w.-]+", "_", self._request.node.name).strip("_.-")
        if not NAME.fullmatch(name):
            raise GoldenError(f"name is {name!r}; give letters, digits, _, - and .")
        test_file: Path = self._request.path
        return test_file.parent / FOLDER / test_file.stem / f"{name}.flac"


@pytest.fixture
def golden_audio(request: pytest.FixtureRequest) -> GoldenAudio:
    """Compare audio with a recorded reference: `golden_audio(audio, sample_rate, name=..., level_db=...)`."""
    return GoldenAudio(request)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--golden-record`."""
    group = parser.getgroup("golden audio")
    group.addoption(
        "--golden-record", action="store_true", help="make what golden_audio gets the reference, and say what changed"
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List what was recorded."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    passed = [report for report in reports if getattr(report, "when", None) == "call"]
    lines = [text for report in passed for name, text in report.user_properties if name == _PROPERTY]
    if lines:
        terminalreporter.section("golden audio recorded")
        for line in sorted(lines):
            terminalreporter.line(line)

"""The fixture `golden_audio` in test suites of users."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = "pytester"

SUITE = """
import numpy as np
import pytest

LEVEL = {level}

def tone(level=LEVEL, length=4000):
    return level * np.sin(0.1 * np.arange(length), dtype=np.float32)[None]

def test_named(golden_audio):
    golden_audio(tone(), 8000, name="tone", level_db={level_db})

@pytest.mark.parametrize("size", [1, 7])
def test_shared(golden_audio, size):
    golden_audio(tone(0.2), 8000, name="shared")

@pytest.mark.parametrize("word", ["a b/c", "d:e"])
def test_unnamed(golden_audio, word):
    golden_audio(tone(0.3)[0], 8000)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester):
    """Write the suite and run it."""

    def run(*arguments: str, level: float = 0.1, level_db: float = 0.1) -> pytest.RunResult:
        pytester.makepyfile(test_tones=SUITE.format(level=level, level_db=level_db))
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments)

    return run


def test_record_then_compare(suite, pytester: pytest.Pytester) -> None:
    recorded = suite("--golden-record")
    recorded.assert_outcomes(passed=5)
    folder = pytester.path / "golden" / "test_tones"
    names = {path.name for path in folder.iterdir()}
    assert names == {"shared.flac", "test_unnamed_a_b_c.flac", "test_unnamed_d_e.flac", "tone.flac"}
    recorded.stdout.fnmatch_lines(["*golden audio recorded*", "*shared.flac: new", "*tone.flac: new"])
    compared = suite()
    compared.assert_outcomes(passed=5)
    compared.stdout.no_fnmatch_line("*golden audio recorded*")


def test_a_difference_fails_with_the_table_and_what_to_do(suite, pytester: pytest.Pytester) -> None:
    suite("--golden-record")
    changed = suite(level=0.11)
    changed.assert_outcomes(passed=4, failed=1)
    changed.stdout.fnmatch_lines(
        [
            "*the render differs from *golden/test_tones/tone.flac:",
            "*level *FAILED*+0.828 dB*0.1 dB",
            '*The render is in */tone.wav; *: pytest --golden-record "test_tones.py::test_named"',
        ]
    )
    suite("-k", "named", level=0.11, level_db=1.0).stdout.fnmatch_lines(["*residual*FAILED*"])
    again = suite("--golden-record", level=0.11)
    again.assert_outcomes(passed=5)
    again.stdout.fnmatch_lines(["*shared.flac: unchanged", "*tone.flac: changed: level +0.828 dB*"])
    suite(level=0.11).assert_outcomes(passed=5)


def test_a_missing_reference_fails_and_nothing_is_written(suite, pytester: pytest.Pytester) -> None:
    result = suite("-k", "test_named")
    result.assert_outcomes(failed=1, deselected=4)
    result.stdout.fnmatch_lines(['*there is no *tone.flac*pytest --golden-record "test_tones.py::test_named"*'])
    assert not (pytester.path / "golden").exists()


def test_one_name_for_different_audio_fails_while_recording(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import numpy as np

        def test_twice(golden_audio):
            golden_audio(np.full((1, 100), 0.1), 8000, name="same")
            golden_audio(np.full((1, 100), 0.2), 8000, name="same")
        """
    )
    result = pytester.runpytest_inprocess("--golden-record", "-p", "no:xdist")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the render differs from *same.flac*"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("golden_audio(tone, 8000, name='../a')", "*GoldenError: name is '../a'*"),
        ("golden_audio(tone, 8000, levl_db=1)", "*ConfigError: *did you mean level_db*"),
        ("golden_audio(tone.astype('int16'), 8000)", "*GoldenError: audio is int16*"),
        ("golden_audio(tone * np.nan, 8000)", "*GoldenError: audio that holds NaN*"),
        ("golden_audio(tone * 11, 8000)", "*GoldenError: audio that peaks at 1.1*"),
    ],
)
def test_mistakes_of_a_call(pytester: pytest.Pytester, call: str, words: str) -> None:
    code = f"import numpy as np\ntone = np.full((1, 100), 0.1)\ndef test_it(golden_audio):\n    {call}\n"
    pytester.makepyfile(code)
    result = pytester.runpytest_inprocess("--golden-record", "-p", "no:xdist")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([words])
    assert not (pytester.path / "golden").exists()


def test_what_worker_processes_record_is_listed_too(suite, pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    suite("--collect-only")
    result = pytester.runpytest_subprocess("--golden-record", "-n", "1", "-k", "named")
    result.stdout.fnmatch_lines(["*golden audio recorded*", "*tone.flac: new"])


def test_pytest_starts_without_anything_heavy() -> None:
    code = (
        "import sys; import render.golden.plugin\n"
        "heavy = {'torch', 'numpy', 'scipy', 'soundfile', 'matplotlib', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])

"""`after render` with the instrument that comes with the package."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import after
from after.audio import read_audio
from after.cli import group
from after.midi import Note, write_midi

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not any((Path(after.__file__).parent / "pretrained").glob("*.ts")), reason="no instrument is bundled"
    ),
]


def render(*arguments):
    result = CliRunner().invoke(group, ["render", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def test_a_line_sounds_where_its_notes_are_and_repeats_with_its_seed():
    write_midi("line.mid", [Note(1.0, 60, 100, 0.8), Note(2.0, 64, 100, 0.8)])
    name = render("--list-timbres").stdout.split()[0]
    for out in ("a.wav", "b.wav"):
        render("line.mid", "--timbre", name, "-o", out, "--steps", 2, "--seed", 7)
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()
    audio, sample_rate = read_audio("a.wav", mono=True)
    level = [
        float(np.sqrt(np.mean(audio[0, int(s * sample_rate) : int((s + 0.5) * sample_rate)] ** 2)))
        for s in (0.2, 1.1, 2.1)
    ]
    assert min(level[1:]) > 10 * max(level[0], 1e-5)

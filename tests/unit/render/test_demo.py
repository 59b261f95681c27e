"""`after demo`: audio and pictures of the tunes that come with the package."""

from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from after.audio import read_audio
from after.cli import group
from after.midi import read_midi
from render.demo import choose_pieces
from render.errors import TimbreError
from tests import demo_tunes
from tests.tiny_file import write_tiny_file


def demo(*arguments, loader=None):
    return CliRunner().invoke(group, ["demo", *map(str, arguments)], obj=loader)


def test_the_demo_writes_audio_and_pictures(instrument):
    result = demo("--out", "new/out", "--seed", 3, loader=lambda path: instrument)
    assert result.exit_code == 0, result.output
    stems = ["demo_flute", "demo_trumpet", "demo_chords_cello_solo"]
    assert {path.name for path in Path("new/out").iterdir()} == {
        f"{stem}{s}" for stem in stems for s in (".wav", ".png")
    }
    assert [timbre for timbre, *_ in instrument.performances] == ["flute", "trumpet", "cello_solo"]
    for stem in stems:
        assert f"new/out/{stem}.wav" in result.stdout
        assert Path(f"new/out/{stem}.png").read_bytes().startswith(b"\x89PNG")
    audio, rate = read_audio("new/out/demo_flute.wav")
    assert 20.0 < audio.shape[1] / rate < 24.0
    assert abs(audio).max() > 0.05
    assert "after bench" in result.stdout


def test_the_demo_equals_render_and_replaces_an_earlier_one():
    path = write_tiny_file(Path("tiny.safetensors"), num_steps=1)
    Path("out").mkdir()
    Path("out/demo_dark.wav").write_text("an earlier one")
    result = demo("--out", "out", "--instrument", path, "--seed", 5)
    assert result.exit_code == 0, result.output
    midi = Path(demo_tunes.__file__).parents[1] / "after" / "pretrained" / "demo.mid"
    arguments = ["render", midi, "--instrument", path, "--timbre", "dark", "--seed", 5, "-o", "again.wav"]
    assert CliRunner().invoke(group, list(map(str, arguments))).exit_code == 0
    assert Path("again.wav").read_bytes() == Path("out/demo_dark.wav").read_bytes()


def test_wrong_input_is_one_line(instrument):
    Path("text.safetensors").write_text("no weights")
    Path("file").write_text("in the way")
    for arguments in (["--instrument", "text.safetensors"], ["--instrument", "missing.safetensors"]):
        result = demo("--out", "out", *arguments)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
    result = demo("--out", "file/out", loader=lambda path: instrument)
    assert result.exit_code == 2
    assert "choose another with --out" in result.stderr


def test_well_known_timbres_come_first():
    pieces = choose_pieces(("bassoon", "cello", "flute", "guitar", "violin"))
    assert [piece.stem for piece in pieces] == ["demo_violin", "demo_flute", "demo_chords_guitar"]
    assert [piece.timbre for piece in choose_pieces(("mine",))] == ["mine", "mine"]
    with pytest.raises(TimbreError, match="names no timbres"):
        choose_pieces(())


@pytest.mark.parametrize(
    ("name", "text", "program"), [("demo.mid", demo_tunes.MELODY, 40), ("demo_chords.mid", demo_tunes.CHORDS, 0)]
)
def test_the_tunes_are_the_notes_on_record(repository, tmp_path, name, text, program):
    score = read_midi(repository / "after" / "pretrained" / name)
    beat_s = 60 / demo_tunes.BEATS_PER_MINUTE
    wanted = demo_tunes.read_tune(text)
    assert [(note.pitch, note.velocity) for note in score.notes] == [(pitch, level) for _, pitch, _, level in wanted]
    for note, (onset, _, length, _) in zip(score.notes, wanted, strict=True):
        assert note.onset_s == pytest.approx(onset * beat_s, abs=2e-3)
        assert note.duration_s == pytest.approx(length * beat_s, abs=2e-3)
        assert note.program == program


def test_the_melody_is_one_voice_in_its_range(repository):
    notes = read_midi(repository / "after" / "pretrained" / "demo.mid").notes
    assert all(first.end_s <= second.onset_s + 1e-3 for first, second in pairwise(notes))
    assert min(note.pitch for note in notes) == 55
    assert max(note.pitch for note in notes) == 76
    assert 19 < notes[-1].end_s < 21

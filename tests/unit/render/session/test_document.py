"""The session that docs/sessions.md explains works as it stands there."""

import re
from pathlib import Path

import numpy as np

from after.midi import Note, write_midi
from render.job import Job, prepare_job, render_job
from tests.additive_instrument import AdditiveInstrument

ROOT = Path(__file__).parents[4]


class Band(AdditiveInstrument):
    """Has the names of the document, and timbres as numbers."""

    timbres = ("violin", "flute", "piano", "cello")

    def set_timbre(self, timbre: str) -> None:
        super().set_timbre("flute" if timbre in ("violin", "flute") else "cello_solo")
        self.number = float(self.timbres.index(timbre))

    @property
    def timbre(self) -> np.ndarray:
        return np.array([self.number], dtype=np.float32)

    @timbre.setter
    def timbre(self, value: object) -> None:
        pass


def test_the_document_renders(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "sessions.md").read_text(encoding="utf-8"), re.DOTALL)
    write_midi(tmp_path / "melody.mid", [Note(0.5 * k, 60 + k, 90, 0.4, midi_channel=k % 2) for k in range(8)])
    (tmp_path / "session.toml").write_text(text)
    prepared = prepare_job(Job(source=tmp_path / "session.toml"), lambda _: Band())  # type: ignore[arg-type, return-value]
    timeline = prepared.timeline
    assert [track.name for track in timeline.tracks] == ["lead", "band / channel 1 piano", "band / channel 2 cello"]
    assert [bus.name for bus in timeline.buses] == ["band", "group", "hall"]
    result = render_job(prepared)
    assert result.audio.shape[1] == round((8 * 60 / 96 + 16 * 60 / 120) * 44100)
    assert np.abs(result.audio).max() > 0.01

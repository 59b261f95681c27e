"""Print how long a session of four tracks takes, by stage, and its peak of memory: `python session_speed.py [SECONDS]`.

It is played by the bundled instrument, with effects on a track, a bus and the master, and a morph.
"""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from after.midi import Note, write_midi
from render.job import Job, prepare_job, render_job

TIMBRES = ("violin", "cello", "flute", "piano")
HEAD = """
num_steps = {num_steps}
tempo = [{{at_beats = 0, beats_per_minute = 100}}, {{at_beats = 64, beats_per_minute = 132}}]
[master]
effects = "clean"
[[bus]]
name = "hall"
effects = "room"
"""
TRACK = """
[[track]]
name = "{name}"
timbre = "{name}"
pan = {pan}
sends = {{hall = -9.0}}
[[track.clip]]
file = "{name}.mid"
follow = "seconds"
"""
MORPH = """
[[track.automation]]
parameter = "timbre"
points = [{value = "flute"}, {at_seconds = 60.0, value = "violin"}]
"""


def main() -> None:
    """Render for 4 and 8 steps and print a row for each."""
    duration_s = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    print(f"{duration_s:g} s, {len(TIMBRES)} tracks, {torch.get_num_threads()} threads")
    print("| steps | instruments | mix | master | level | all, s | times real time | per track | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for num_steps in (4, 8):
        with tempfile.TemporaryDirectory() as folder:
            session = _write(Path(folder), duration_s, num_steps)
            result = render_job(prepare_job(Job(source=session)))
        total_s = sum(result.seconds.values())
        audio_s = result.audio.shape[1] / result.sample_rate
        stages = " | ".join(f"{result.seconds[name]:.1f}" for name in ("instruments", "mix", "master", "level"))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rate = audio_s / total_s
        print(f"| {num_steps} | {stages} | {total_s:.1f} | {rate:.2f} | {len(TIMBRES) * rate:.2f} | {peak_mb:.0f} |")


def _write(folder: Path, duration_s: float, num_steps: int) -> Path:
    """Write the session: in each track a note every 0.4 seconds, without a rest."""
    text = HEAD.format(num_steps=num_steps)
    for index, name in enumerate(TIMBRES):
        rng = np.random.default_rng(index)
        pitches = rng.integers(55, 76, round(duration_s / 0.4))
        notes = [Note(0.4 * k, int(pitch), int(rng.integers(50, 110)), 0.4) for k, pitch in enumerate(pitches)]
        write_midi(folder / f"{name}.mid", notes)
        text += TRACK.format(name=name, pan=index / 2 - 0.75) + (MORPH if name == "flute" else "")
    path = folder / "session.toml"
    path.write_text(text, encoding="utf-8")
    return path


if __name__ == "__main__":
    main()

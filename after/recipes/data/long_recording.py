"""Write one long FLAC from many recordings, one after the other: `python long_recording.py FOLDER HOURS OUT.flac`."""

import itertools
import sys
from pathlib import Path

import soundfile


def main() -> None:
    """Read the first recording of each folder, then the second ones, and so on, from the start again where they end.

    Only one recording is in memory at a time; the file has its name when it is whole.
    """
    folder, hours, out = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    paths = sorted(folder.rglob("*.flac"), key=lambda path: (path.stem.rpartition("_")[2], path))
    if not paths:
        sys.exit(f"no FLAC files under {folder}")
    sample_rate = soundfile.info(paths[0]).samplerate
    left = round(hours * 3600 * sample_rate)
    part = out.with_suffix(".part")
    with soundfile.SoundFile(part, "w", sample_rate, 1, subtype="PCM_16", format="FLAC") as file:
        for path in itertools.cycle(paths):
            audio, rate = soundfile.read(path, dtype="int16", always_2d=True)
            if rate != sample_rate:
                sys.exit(f"{path} has {rate} Hz, the first recording {sample_rate} Hz: give recordings of one rate")
            file.write(audio[:left, 0])
            left -= min(left, len(audio))
            if not left:
                break
    part.rename(out)


if __name__ == "__main__":
    main()

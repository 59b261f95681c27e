"""Print what batch.sh measured: `python batch.py WORK`."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Print the table of workers, and what became of the batch that was killed."""
    work = Path(sys.argv[1])
    one, two, killed = (json.loads((work / f"{name}.json").read_text()) for name in ("one", "two", "killed"))
    print("| workers | files | audio s | s | audio s per s | files per minute | computing s per audio s |")
    print("|---|---|---|---|---|---|---|")
    for workers, report in ((1, one), (2, two)):
        totals = report["totals"]
        print(
            f"| {workers} | {totals['rendered']} | {totals['audio_s']:.1f} | {totals['wall_s']:.1f} "
            f"| {totals['audio_s_per_s']:.1f} | {60 * totals['rendered'] / totals['wall_s']:.1f} "
            f"| {totals['real_time_factor']:.3f} |"
        )
    print(f"\ntwo workers are {one['totals']['wall_s'] / two['totals']['wall_s']:.2f} times as fast as one")
    kept = dict(line.rsplit(" ", 1) for line in (work / "kept.txt").read_text().splitlines())
    names = sorted(path.name for path in (work / "two").glob("*.wav"))
    same = sum((work / "killed" / name).read_bytes() == (work / "two" / name).read_bytes() for name in names)
    as_one = sum((work / "one" / name).read_bytes() == (work / "two" / name).read_bytes() for name in names)
    untouched = sum(float(at) == (work / "killed" / name).stat().st_mtime for name, at in kept.items())
    print(
        f"killed with {len(kept)} of {len(names)} files there: taken up again, {killed['totals']['rendered']} were "
        f"rendered and {untouched} of {len(kept)} left as they were, in {killed['totals']['wall_s']:.1f} s"
    )
    print(f"{same} of {len(names)} are byte for byte those of the undisturbed batch, {as_one} those of one worker")


if __name__ == "__main__":
    main()

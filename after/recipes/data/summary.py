"""Print the tables of docs/data.md from what measure.sh left: `python summary.py WORK`."""

import json
import re
import sys
from pathlib import Path
from typing import Any

RUN = re.compile(
    r"(?P<audio_s>[\d.]+) s of audio in (?P<wall_s>[\d.]+) s, (?P<cpu_s>[\d.]+) CPU s: .*; (?P<peak_mb>\d+) MB in one"
)
MEMORY = re.compile(r"(?P<private_mb>\d+) MB private and (?P<mapped_mb>\d+) MB of mapped files")
SIZE = re.compile(r"^(?P<kb>\d+)\t", re.MULTILINE)


def main() -> None:
    """Print what preparing cost, and then what was heard."""
    work = Path(sys.argv[1])
    print_costs(work)
    print_features(*(load(work / f"{name}.json") for name in ("features", "features_150ms", "features_full")))


def print_costs(work: Path) -> None:
    """Print one row for each run of `after prepare_dataset`."""
    print("| store | audio s | CPU s | audio s per CPU s | private MB | with mapped files MB | store MB per hour |")
    print("|---|---|---|---|---|---|---|")
    for path in sorted(work.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        run, memory, size = RUN.search(text), MEMORY.search(text), SIZE.search(text)
        if run and memory and size:
            audio_s, cpu_s = float(run["audio_s"]), float(run["cpu_s"])
            mb_per_hour = int(size["kb"]) * 1.024 / 1000 / (audio_s / 3600)
            print(
                f"| {path.stem} | {audio_s:.0f} | {cpu_s:.1f} | {audio_s / cpu_s:.3g} | {memory['private_mb']} "
                f"| {run['peak_mb']} | {mb_per_hour:.0f} |"
            )


def load(path: Path) -> dict[str, Any]:
    """Give what `after evaluate_features` wrote; the figures of all stand as the last group."""
    if not path.is_file():
        return {"groups": {}, "recordings": []}
    data = json.loads(path.read_text(encoding="utf-8"))
    return {"groups": {**data["groups"], "all": data["overall"]}, "recordings": data["recordings"]}


def raw_of(data: dict[str, Any], group: str, names: set[tuple[str, str]]) -> float | None:
    """Give the raw pitch accuracy in a group, over the named recordings only."""
    chosen = [
        (found["pitch"]["frames"], found["pitch"]["score"]["raw"])
        for found in data["recordings"]
        if group in (found["group"], "all") and (found["group"], found["name"]) in names and found["pitch"]["frames"]
    ]
    frames = sum(number for number, _ in chosen)
    return sum(number * raw for number, raw in chosen) / frames if frames else None


def print_features(hears: dict[str, Any], patient: dict[str, Any], full: dict[str, Any]) -> None:
    """Print the rows of notes and those of pitch, one for each group; then loudness."""
    print("\n| instrument | notes | precision | recall | F1 | F1 with offsets | F1, onsets within 150 ms |")
    print("|---" * 7 + "|")
    for name, found in hears["groups"].items():
        notes = found["notes"]
        figures = [*(notes["onset"][key] for key in ("precision", "recall", "f1")), notes["onset_and_offset"]["f1"]]
        figures.append(patient["groups"][name]["notes"]["onset"]["f1"] if patient["groups"] else None)
        print_row(name, notes["played"], figures)
    names = {(found["group"], found["name"]) for found in full["recordings"]}
    print("\n| instrument | frames | raw | chroma | voiced | false alarm | three phrases: tiny, raw | full, raw |")
    print("|---" * 8 + "|")
    for name, found in hears["groups"].items():
        score = found["pitch"]["score"]
        figures = [score[key] for key in ("raw", "chroma", "voicing_recall", "false_alarm")]
        print_row(name, found["pitch"]["frames"], [*figures, raw_of(hears, name, names), raw_of(full, name, names)])
    for name, found in hears["groups"].items():
        level = found["loudness"]
        print(f"loudness {name}: {level['frames']} frames, {level['mean_db']:.3f} dB, 95 % {level['most_db']:.3f} dB")


def print_row(name: str, number: int, figures: list[float | None]) -> None:
    """Print one row of a table."""
    cells = ["-" if figure is None else f"{figure:.2f}" for figure in figures]
    print(f"| {name} | {number} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

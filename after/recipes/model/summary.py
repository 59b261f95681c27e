"""Print the tables of docs/model.md from the figures of compare.sh: `python summary.py WORK`."""

import json
import sys
from pathlib import Path
from typing import Any

STEPS = 4
PROBES = ("instrument in structure", "pitch in timbre", "instrument in timbre")


def main() -> None:
    """Print a row for each variant, one for each number of steps, and the matrices of transfer."""
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(sys.argv[1]).glob("*.json"))
    }
    print("| variant | log-mel | same pitch | loudness dB | instrument | across: pitch | instrument | probes |")
    for name, figures in found.items():
        row = next(row for row in figures["report"]["rows"] if row["num_steps"] == STEPS)
        probes = [_probe(figures["report"]["probes"].get(probe)) for probe in PROBES]
        transfer = figures["transfer"]
        print(f"| {name} | {_cells(row)} | {_show(transfer['across_pitch'])} | "
              f"{_show(transfer['across_timbre'])} | {' | '.join(probes)} |")  # fmt: skip
    for name, figures in found.items():
        for row in figures["report"]["rows"]:
            print(f"| {name} | {row['num_steps']} | {_cells(row)} |")
    for name, figures in found.items():
        names = figures["transfer"]["names"]
        for title in ("pitch", "timbre"):
            print(f"| {name}, {title} | {' | '.join(names)} |")
            for label, values in zip(names, figures["transfer"][title], strict=True):
                print(f"| {label} | {' | '.join(f'{value:.2f}' for value in values)} |")


def _cells(row: dict[str, Any]) -> str:
    return " | ".join(_show(row[key]) for key in ("log_mel", "same_pitch", "loudness_db", "timbre"))


def _show(figure: dict[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})"


def _probe(score: dict[str, float] | None) -> str:
    return "-" if score is None else f"{score['score']:.2f} ({score['chance']:.2f})"


if __name__ == "__main__":
    main()

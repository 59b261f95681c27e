"""Speeds over the project's history: `python tests/bench/history.py RESULTS.json [--keep NAME]`.

RESULTS.json is pytest-benchmark's. Each time is divided by that of the yardstick in the same run, so that entries of
different machines, or of one machine under other load, can be compared as far as that goes. `--keep NAME` adds the run
to docs/bench as NAME.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).parents[2] / "docs" / "bench"
YARDSTICK = "test_yardstick"
SECONDS = 10.0


def main() -> None:
    """Print a row for each benchmark: its time now, real-time factor, and the ratio to each entry of the history."""
    arguments = sys.argv[1:]
    now = entry_of(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    print("\n".join(table(now, read_history())))
    if "--keep" in arguments:
        path = HISTORY / f"{arguments[arguments.index('--keep') + 1]}.json"
        path.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"kept as {path.name}")


def entry_of(results: dict[str, Any]) -> dict[str, Any]:
    """Give what is kept of a run: the machine, and the median seconds of each benchmark."""
    medians = {bench["name"]: bench["stats"]["median"] for bench in results["benchmarks"]}
    commit = results["commit_info"]["id"]
    return {"date": results["datetime"][:10], "commit": commit[:10], "cpu": _cpu(results), "median_s": medians}


def read_history(folder: Path = HISTORY) -> dict[str, dict[str, Any]]:
    """Read all entries by name, sorted."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def table(now: dict[str, Any], history: dict[str, dict[str, Any]]) -> list[str]:
    """Give the lines of a Markdown table; a ratio above 1 is slower than the entry was, beside its yardstick."""
    header = ["benchmark", "median s", "times real time", *(f"ratio to {name}" for name in history)]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for name, median_s in now["median_s"].items():
        ratios = [_ratio(name, now["median_s"], entry["median_s"]) for entry in history.values()]
        speed = "-" if name == YARDSTICK else f"{SECONDS / median_s:.1f}"
        lines.append(f"| {' | '.join([name.removeprefix('test_'), f'{median_s:.4f}', speed, *ratios])} |")
    return lines


def _ratio(name: str, now: dict[str, float], then: dict[str, float]) -> str:
    if name not in then or name == YARDSTICK:
        return "-"
    return f"{(now[name] / now[YARDSTICK]) / (then[name] / then[YARDSTICK]):.2f}"


def _cpu(results: dict[str, Any]) -> str:
    return str(results["machine_info"].get("cpu", {}).get("brand_raw", "unknown"))


if __name__ == "__main__":
    main()

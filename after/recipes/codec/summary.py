"""Print the rows of docs/codec.md from the JSON of compare.sh and measure.sh: `python summary.py FILE.json ...`."""

import json
import sys
from pathlib import Path
from statistics import fmean

NOTES = ("cello_solo", "flute", "guitar_nylon", "piano_headroom", "sax_alto", "trumpet")
FIGURES = ("log_mel", "stft", "si_sdr_db", "pitch", "loudness_db", "quiet_log_mel", "kbps", "silence_dbfs")


def main() -> None:
    """Print one row for each system, and the pitch figure of the held-out notes apart."""
    for path in map(Path, sys.argv[1:]):
        for name, entry in json.loads(path.read_text(encoding="utf-8"))["systems"].items():
            found = entry.get("reconstruction")
            if found:
                overall = ["-" if (x := found["overall"][key]) is None else f"{x:.3g}" for key in FIGURES]
                notes = [found["groups"][group]["pitch"] for group in NOTES if group in found["groups"]]
                print(f"| {name} | {' | '.join(overall)} | {fmean(notes):.3f} |")
            if entry.get("cost"):
                cost = entry["cost"]["cost"]
                speeds = [f"{s['method']} {s['block_size']}: {s['factor']:.4f}" for s in entry["cost"]["speeds"]]
                gflop = cost["encode_gflop_per_s"] + cost["decode_gflop_per_s"]
                parameters = (cost["encode_parameters"] + cost["decode_parameters"]) / 1e6
                print(f"| {name} | {gflop:.2f} GFLOP/s | {parameters:.1f} M | {', '.join(speeds)} |")


if __name__ == "__main__":
    main()

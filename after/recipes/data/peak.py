"""Run a command and say what memory its processes held: `python peak.py after prepare_dataset ...` (Linux).

The peak that `after prepare_dataset` prints counts the pages of the store that are mapped, too, though the system takes
those back when it needs them. Here memory that a process has to itself is told apart; looked up ten times a second.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

KINDS = ("RssAnon", "RssFile")


def descendants(pid: int) -> list[int]:
    """Give a process and all that it started, as far as they still run."""
    found = [pid]
    for parent in found:
        try:
            threads = [path.joinpath("children").read_text() for path in Path(f"/proc/{parent}/task").iterdir()]
        except OSError:
            continue
        found += [int(child) for text in threads for child in text.split()]
    return found


def memory_mb(pid: int) -> dict[str, float]:
    """Give what a process holds: its own, and pages of files."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return {kind: int(size) / 1024 for kind, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M) if kind in KINDS}


def main() -> None:
    """Print the most that one process held of each kind, after the command's own output."""
    most = dict.fromkeys(KINDS, 0.0)
    process = subprocess.Popen(sys.argv[1:])
    while process.poll() is None:
        for pid in descendants(process.pid):
            for kind, size in memory_mb(pid).items():
                most[kind] = max(most[kind], size)
        time.sleep(0.1)
    print(f"{most['RssAnon']:.0f} MB private and {most['RssFile']:.0f} MB of mapped files in one process at most")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()

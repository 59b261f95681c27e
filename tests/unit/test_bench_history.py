"""The table of speeds: ratios beside the yardstick, whatever the machine."""

import runpy
from pathlib import Path

HISTORY = runpy.run_path(str(Path(__file__).parents[1] / "bench" / "history.py"))


def test_a_machine_of_half_the_speed_changes_no_ratio() -> None:
    then = {"median_s": {"test_yardstick": 1.0, "test_a": 4.0, "test_b": 2.0}}
    now = {"median_s": {"test_yardstick": 2.0, "test_a": 8.0, "test_b": 6.0, "test_new": 5.0}}
    lines = HISTORY["table"](now, {"first": then})
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[2:]}
    assert cells["a"] == ["8.0000", "1.2", "1.00"]
    assert cells["b"][2] == "1.50"
    assert cells["new"][2] == "-"
    assert cells["yardstick"] == ["2.0000", "-", "-"]


def test_an_entry_keeps_medians_and_where_they_are_from() -> None:
    results = {
        "datetime": "2026-11-28T12:00:00",
        "commit_info": {"id": "0123456789abcdef"},
        "machine_info": {"cpu": {"brand_raw": "A CPU"}},
        "benchmarks": [{"name": "test_a", "stats": {"median": 0.5, "mean": 0.7}}],
    }
    assert HISTORY["entry_of"](results) == {
        "date": "2026-11-28",
        "commit": "0123456789",
        "cpu": "A CPU",
        "median_s": {"test_a": 0.5},
    }

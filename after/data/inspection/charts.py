"""Charts of a store's summary, each drawn into axes it is given."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from after.data.inspection.captions import caption
from after.data.inspection.histograms import from_json, note_name, percentile, used_bins

TRAIN, VALIDATION = "#3b6ea5", "#e0912f"
SMALL = 9

_HEARD, _PLAYED = "#c0392b", "#3b6ea5"
_PITCH_STYLES: Mapping[str, Mapping[str, Any]] = {
    "notes": {"fill": True, "color": _PLAYED, "alpha": 0.55},
    "transcribed notes": {"color": _PLAYED, "linestyle": "--", "linewidth": 1.3},
    "voiced frames (f0)": {"color": _HEARD, "linewidth": 1.3},
}
_MOST_GROUPS = 30
_TIMES: Mapping[float, str] = {
    **{seconds: f"{seconds:g} s" for seconds in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)},
    **{60.0 * minutes: f"{minutes} min" for minutes in (1, 2, 5, 10, 30)},
    **{3600.0 * hours: f"{hours} h" for hours in (1, 2, 5, 10)},
}
_MOST_TIMES = 7


def draw_durations(axes: Axes, histogram: Mapping[str, Any]) -> None:
    """Draw how long the recordings are."""
    _label(axes, "length of the recordings", "recordings")
    counts, edges_s = histogram["counts"], histogram["edges_s"]
    used = list(used_bins(counts))
    if not used:
        _say(axes, "no recordings")
        return
    axes.stairs(counts, edges_s, fill=True, color=TRAIN)
    low_s, high_s = edges_s[max(0, used[0] - 3)], edges_s[min(len(counts), used[-1] + 4)]
    axes.set(xscale="log", xlim=(low_s, high_s))
    shown = [time_s for time_s in _TIMES if low_s <= time_s <= high_s]
    shown = shown[:: -(-len(shown) // _MOST_TIMES)]
    axes.set_xticks(shown, [_TIMES[time_s] for time_s in shown])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def draw_pitches(axes: Axes, summary: Mapping[str, Any]) -> None:
    """Draw which pitches are played, transcribed and heard, each as a share of its own number."""
    _label(axes, "pitch", "share (%)")
    kinds = {
        "notes": used_bins(summary["pitch_histogram"]),
        "transcribed notes": from_json(summary["histograms"].get("transcribed_pitch", {})),
        "voiced frames (f0)": from_json(summary["histograms"].get("pitch", {})),
    }
    kinds = {title: counts for title, counts in kinds.items() if sum(counts.values())}
    if not kinds:
        _say(axes, "no notes, no pitch")
        return
    for title, counts in kinds.items():
        axes.stairs(*_shares(counts), label=title, **_PITCH_STYLES[title])
    pitches = [pitch for counts in kinds.values() for pitch, number in counts.items() if number]
    low, high = min(pitches) - 3, max(pitches) + 3
    spacing = 12 if high - low > 14 else 3
    shown = [pitch for pitch in range(0, 128, spacing) if low <= pitch <= high]
    axes.set(xlim=(low, high), ylim=(0.0, 1.3 * axes.get_ylim()[1]))  # room for the legend
    axes.set_xticks(shown, [note_name(pitch) for pitch in shown])
    axes.legend(loc="upper right", ncols=3, fontsize=SMALL - 1, frameon=False, handlelength=1.4, columnspacing=1.0)


def draw_loudness(axes: Axes, counts: Mapping[int, int]) -> None:
    """Draw how loud the frames are, with the median."""
    _label(axes, "loudness of the frames (dB)", "share (%)")
    if not sum(counts.values()):
        _say(axes, "no loudness")
        return
    axes.stairs(*_shares(counts), fill=True, color=TRAIN)
    median = percentile(counts, 50)
    axes.axvline(median + 0.5, color=_HEARD, linewidth=1.3, label=f"median {median} dB")
    axes.set_ylim(0.0, 1.2 * axes.get_ylim()[1])
    axes.legend(loc="upper left", fontsize=SMALL - 1, frameon=False, handlelength=1.4)


def draw_groups(axes: Axes, groups: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Draw the hours of the largest groups, and of all others together, whose bar may leave the chart."""
    bars = largest_groups(groups, _MOST_GROUPS)
    most = max((train + validation for _, train, validation in bars[:_MOST_GROUPS]), default=0.0)
    factor, unit = (60.0, "minutes") if most < 0.5 else (1.0, "hours")
    _label(axes, "", f"{unit} per group")
    if not bars:
        _say(axes, "no recordings")
        return
    places = np.arange(len(bars))
    train, validation = (factor * np.array([bar[side] for bar in bars]) for side in (1, 2))
    axes.bar(places, train, color=TRAIN, label="train", width=0.7)
    axes.bar(places, validation, bottom=train, color=VALIDATION, label="validation", width=0.7)
    is_crowded = len(bars) > 8
    axes.set_xticks(
        places,
        [caption(name, 22) for name, _, _ in bars],
        rotation=30 if is_crowded else 0,
        ha="right" if is_crowded else "center",
        rotation_mode="anchor" if is_crowded else "default",
    )
    axes.set_xlim(-0.6, max(len(bars), 6) - 0.4)
    axes.set_ylim(0.0, 1.3 * factor * most if most else 1.0)
    axes.legend(loc="upper center", ncols=2, fontsize=SMALL, frameon=False)


def largest_groups(
    groups: Mapping[str, Mapping[str, Mapping[str, float]]], number: int
) -> list[tuple[str, float, float]]:
    """Give name, hours of training and of validation of the largest groups, and the rest as one."""
    hours = [(name, sides["train"]["hours"], sides["validation"]["hours"]) for name, sides in groups.items()]
    hours.sort(key=lambda bar: (-(bar[1] + bar[2]), bar[0]))
    others = hours[number:]
    if others:
        train, validation = sum(bar[1] for bar in others), sum(bar[2] for bar in others)
        hours = [*hours[:number], (f"{len(others)} others: {train + validation:.2f} h", train, validation)]
    return hours


def _shares(counts: Mapping[int, int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give percentages for every bin from the first to the last, and the edges half a bin around them."""
    low, high = min(counts), max(counts)
    numbers = np.array([Counter(counts)[bin_] for bin_ in range(low, high + 1)], dtype=np.float64)
    return 100.0 * numbers / numbers.sum(), np.arange(low, high + 2) - 0.5


def _label(axes: Axes, horizontal: str, vertical: str) -> None:
    axes.set_xlabel(horizontal, fontsize=SMALL)
    axes.set_ylabel(vertical, fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)


def _say(axes: Axes, text: str) -> None:
    """Say that there is nothing to draw."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="gray")

"""Print the tables of docs/model.md from the figures of compare.sh, as Markdown: `python summary.py WORK`."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

STEPS = 4
VARIANTS = (
    *("midi_transformer", "midi_unet", "midi_epsilon", "midi_edm", "midi_level"),
    *(
        "midi_pitch_critic",
        "pitch_loudness",
        "learned_plain",
        "learned_critic",
        "learned_gentle_critic",
        "learned_correlation",
        "learned_timbre_first",
    ),
)
"""In the order of compare.sh; other figures come after these."""

FIGURES = {
    "log-mel": "log_mel",
    "same pitch": "same_pitch",
    "loudness error, dB": "loudness_db",
    "instrument": "timbre",
}
PROBES = ("instrument in structure", "pitch in timbre", "instrument in timbre")
MATRICES = {"pitch": "same pitch", "timbre": "instrument"}


def main() -> None:
    """Print a table with a row for each variant, one for each number of steps, and the matrices of transfer."""
    if len(sys.argv) != 2:
        _leave("usage: python summary.py WORK, the folder that compare.sh was given")
    paths = sorted(Path(sys.argv[1]).glob("*.json"), key=lambda path: (_place(path.stem), path.stem))
    if not paths:
        _leave(f"{sys.argv[1]} has no figures: make them with compare.sh STORE {sys.argv[1]}")
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    tables = (_variants(found), _steps(found), *(table for item in found.items() for table in _matrices(*item)))
    print("\n\n".join("\n".join(table) for table in tables))


def _leave(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def _place(name: str) -> int:
    return VARIANTS.index(name) if name in VARIANTS else len(VARIANTS)


def _variants(found: dict[str, Any]) -> Iterator[str]:
    """Compare the variants at one number of steps."""
    header = ("variant", "updates", *FIGURES, "across instruments: same pitch", "across instruments: instrument")
    yield f"{STEPS} steps; in brackets 95 % intervals over recordings; of probes, chance."
    yield ""
    yield from _header((*header, *(f"probe: {probe}" for probe in PROBES)))
    for name, figures in found.items():
        report, transfer = figures["report"], figures["transfer"] or {}
        row: dict[str, Any] = next((row for row in report["rows"] if row["num_steps"] == STEPS), {})
        across = [_show(transfer.get(key)) for key in ("across_pitch", "across_timbre")]
        probes = [_probe(report["probes"].get(probe)) for probe in PROBES]
        yield _row((name, str(figures.get("iterations", "-")), *_cells(row), *across, *probes))


def _steps(found: dict[str, Any]) -> Iterator[str]:
    """Compare numbers of steps."""
    yield from _header(("variant", "steps", *FIGURES))
    for name, figures in found.items():
        for row in figures["report"]["rows"]:
            yield _row((name, str(row["num_steps"]), *_cells(row)))


def _matrices(name: str, figures: dict[str, Any]) -> Iterator[Iterator[str]]:
    """Show who plays whose melodies how well."""
    for key, title in MATRICES.items():
        if figures["transfer"] is not None:
            yield _matrix(f"{name}: {title}", figures["transfer"]["names"], figures["transfer"][key])


def _matrix(title: str, names: Sequence[str], values: Sequence[Sequence[float | None]]) -> Iterator[str]:
    yield f"{title}, melody of the row in the timbre of the column:"
    yield ""
    yield from _header(("", *names))
    for label, row in zip(names, values, strict=True):
        yield _row((label, *("-" if value is None else f"{value:.2f}" for value in row)))


def _header(cells: Sequence[str]) -> Iterator[str]:
    """Give the header of a table and the line below it."""
    yield _row(cells)
    yield f"|{'---|' * len(cells)}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: dict[str, Any]) -> list[str]:
    return [_show(row.get(key)) for key in FIGURES.values()]


def _show(figure: dict[str, float | None] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    has_interval = figure["low"] is not None
    return f"{figure['value']:.2f}" + (f" ({figure['low']:.2f}-{figure['high']:.2f})" if has_interval else "")


def _probe(score: dict[str, float] | None) -> str:
    return "-" if score is None else f"{score['score']:.2f} ({score['chance']:.2f})"


if __name__ == "__main__":
    main()

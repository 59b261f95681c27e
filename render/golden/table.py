"""Verdicts as text: what the command prints and what a failing test shows."""

from collections.abc import Sequence

from render.golden.compare import Check, Comparison

VERDICTS = {True: "ok", False: "FAILED", None: "-"}


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of text in columns, under their names."""
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def check_rows(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Give name, verdict, figure and limit of each check."""
    return [_row(check) for check in comparison.checks]


def format_comparison(comparison: Comparison) -> str:
    """Lay out all checks of a comparison."""
    return format_table(("check", "verdict", "found", "allowed"), check_rows(comparison))


def summary_row(name: str, comparison: Comparison | None) -> tuple[str, ...]:
    """Give one line of the overview: the case, its verdict, and figures in the order of `SUMMARY`."""
    if comparison is None:
        return (name, "MISSING", *["-"] * (len(SUMMARY) - 2))
    by_name = {check.name: check for check in comparison.checks}
    sound = VERDICTS[by_name["format"].has_passed and by_name["finite"].has_passed]
    figures = [by_name[name].figure if by_name[name].has_passed is not None else "-" for name in SUMMARY[3:]]
    return (name, VERDICTS[comparison.has_passed], sound, *figures)


SUMMARY = ("case", "verdict", "format", "alignment", "level", "window level", "residual", "spectral")


def _row(check: Check) -> tuple[str, str, str, str]:
    return (check.name, VERDICTS[check.has_passed], f"{check.figure} {check.where}".rstrip(), check.limit)

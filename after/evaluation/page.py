"""One HTML page with the outcome of an evaluation: figures, pictures and sound, and nothing from the network."""

from collections.abc import Sequence
from html import escape

import numpy as np

from after.evaluation.figures import meanings
from after.evaluation.media import Example, draw_matrix, embed
from after.evaluation.report import (
    COLUMNS,
    FIGURE_COLUMNS,
    WORDS,
    Outcome,
    classifier_line,
    figure_rows,
    table_row,
)

_STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .2em .6em; text-align: right; }
th.word, td.word { text-align: left; }
.wide { overflow-x: auto; }
img { max-width: 100%; height: auto; }
figure { margin: 1em 0 2em; }
.players { display: flex; gap: 2em; flex-wrap: wrap; }
.players div { display: flex; flex-direction: column; }
"""


def build_page(outcome: Outcome, examples: Sequence[Example]) -> str:
    """Write the page.

    Args:
        outcome: what was found.
        examples: to hear and to see; each takes about 0.4 MB.

    Returns:
        HTML.
    """
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><title>after evaluate</title>',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>How well it plays: {escape(str(outcome.settings.get('instrument', 'recordings')))}</h1>",
        _settings(outcome),
        "<h2>Figures</h2>",
        _figures(outcome),
        *_timbres(outcome),
        *_transfer(outcome),
        "<h2>Every recording</h2>",
        _table(COLUMNS, [table_row(trial) for trial in outcome.trials]),
        *_examples(outcome, examples),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _settings(outcome: Outcome) -> str:
    given = ", ".join(f"{name} {value}" for name, value in outcome.settings.items() if value is not None)
    return (
        f"<p>{escape(given)}.</p><p>95 % intervals are percentiles of bootstrap draws of the items, "
        "the same draws every time. Real recordings play the same phrases and are measured in the same way.</p>"
    )


def _figures(outcome: Outcome) -> str:
    known = meanings() | {
        "transfer_pitch_accuracy": "melodies of one instrument in the timbre of another: raw pitch accuracy",
        "transfer_timbre_accuracy": "the same: the timbre is taken for the one asked for",
        "own_melody_pitch_accuracy": "melodies of an instrument in its own timbre: raw pitch accuracy",
        "own_melody_timbre_accuracy": "the same: the timbre is taken for the one asked for",
    }
    rows = [(*row, known.get(row[0], "")) for row in figure_rows(outcome)]
    return _table((*FIGURE_COLUMNS, "meaning"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = [' class="word"' if column in (*WORDS, "meaning") else "" for column in columns]
    head = "".join(f"<th{mark}>{escape(column)}</th>" for mark, column in zip(marks, columns, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(marks, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _timbres(outcome: Outcome) -> list[str]:
    if outcome.confusion is None:
        return []
    confusion = outcome.confusion
    shares = confusion.counts / np.maximum(1, confusion.counts.sum(axis=1, keepdims=True))
    picture = draw_matrix(shares, confusion.asked, confusion.heard, row_label="asked for", column_label="taken for")
    said = classifier_line(outcome.classifier) if outcome.classifier else "judged by the nearest average recording"
    return ["<h2>Timbres</h2>", f"<p>{escape(said)}.</p>", _image(picture, "what each timbre is taken for")]


def _transfer(outcome: Outcome) -> list[str]:
    if outcome.transfer is None:
        return []
    transfer = outcome.transfer
    parts = [
        "<h2>Melodies of one, timbre of another</h2>",
        "<p>Rows: whose phrase is played, moved by octaves into the range of the timbre. Columns: the timbre.</p>",
    ]
    for title, matrix in (
        ("Pitch accuracy", transfer.pitch_matrix()),
        ("Timbre recognised", transfer.timbre_matrix()),
    ):
        picture = draw_matrix(matrix, transfer.names, transfer.names, row_label="melody", column_label="timbre")
        parts += [f"<h3>{title}</h3>", _image(picture, title.lower())]
    return parts


def _examples(outcome: Outcome, examples: Sequence[Example]) -> list[str]:
    if not examples:
        return []
    parts = ["<h2>To hear</h2>", f"<p>{len(examples)} of {len(outcome.trials)}, the first seconds of each.</p>"]
    for example in examples:
        players = [_player("render" if example.reference else "recording", example.audio)]
        if example.reference is not None:
            players.append(_player("real recording", example.reference))
        parts.append(
            f'<figure><figcaption><h3>{escape(example.title)}</h3><div class="players">{"".join(players)}</div>'
            f"</figcaption>{_image(example.picture, f'spectrograms of {example.title}')}</figure>"
        )
    return parts


def _player(label: str, audio: bytes) -> str:
    return f'<div>{label}<audio controls preload="none" src="{embed(audio, "audio/ogg")}"></audio></div>'


def _image(picture: bytes, description: str) -> str:
    return f'<img alt="{escape(description)}" src="{embed(picture, "image/png")}">'

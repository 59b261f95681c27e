"""One HTML page with every case of a check: figures, pictures and sound, and nothing from the network."""

from collections.abc import Sequence
from html import escape

import numpy as np

from after.evaluation.media import embed, encode_vorbis
from render.golden.compare import Sound, can_be_subtracted, finite_audio
from render.golden.measures import FloatArray, overlap
from render.golden.picture import draw_comparison
from render.golden.run import Outcome
from render.golden.table import SUMMARY, VERDICTS, check_rows

MOST_GAIN_DB = 80.0
"""By how much a difference is made louder at most, to be heard."""

_STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 82em; padding: 0 1em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .2em .8em .2em 0; text-align: left; }
.wide { overflow-x: auto; }
.wrong { color: #b00020; font-weight: bold; }
img { max-width: 100%; height: auto; }
.players { display: flex; gap: 2em; flex-wrap: wrap; }
.players div { display: flex; flex-direction: column; }
"""


def build_page(title: str, rows: Sequence[Sequence[str]], sections: Sequence[str]) -> str:
    """Write the page.

    Args:
        title: the name of the file of cases.
        rows: of the overview, in the order of `SUMMARY`.
        sections: from `build_section`, one for each case.

    Returns:
        HTML.
    """
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>after golden: {escape(title)}</title>',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>Renders and what was recorded: {escape(title)}</h1>",
        _table(SUMMARY, rows),
        *sections,
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def build_section(name: str, outcome: Outcome | None) -> str:
    """Write what is to be read, seen and heard of a case, about 10 kB for each second of each sound.

    Args:
        name: of the case.
        outcome: None if it has no reference.
    """
    head = f"<h2>{escape(name)}</h2>"
    if outcome is None:
        return f"{head}\n<p>There is no reference.</p>"
    lag = outcome.comparison.lag_samples
    parts = [head, _table(("check", "verdict", "found", "allowed"), check_rows(outcome.comparison))]
    if outcome.reference.audio.size and outcome.render.audio.size:
        picture = embed(draw_comparison(outcome.reference, outcome.render, lag), "image/png")
        parts.append(f'<div class="players">{"".join(_players(outcome.reference, outcome.render, lag))}</div>')
        parts.append(f'<p><img alt="waveforms and spectrograms of {escape(name)}" src="{picture}"></p>')
    return "\n".join(parts)


def _players(reference: Sound, render: Sound, lag_samples: int) -> list[str]:
    players = [
        _player(label, finite_audio(sound), sound.sample_rate)
        for label, sound in (("reference", reference), ("render", render))
    ]
    if can_be_subtracted(reference, render):
        wanted, found = overlap(finite_audio(reference), finite_audio(render), lag_samples)
        audible, gain_db = make_audible(found - wanted, wanted)
        if gain_db is not None:
            players.append(_player(f"difference, {gain_db:+.0f} dB", audible, render.sample_rate))
    return players


def make_audible(difference: FloatArray, reference: FloatArray) -> tuple[FloatArray, float | None]:
    """Bring a difference to the peak of the reference; the gain in dB is None if there is nothing to hear."""
    peaks = [float(np.abs(audio).max(initial=0.0)) for audio in (reference, difference)]
    if not all(peaks):
        return difference, None
    gain_db = min(MOST_GAIN_DB, 20.0 * float(np.log10(peaks[0] / peaks[1])))
    return difference * 10.0 ** (gain_db / 20.0), gain_db


def _player(label: str, audio: FloatArray, sample_rate: int) -> str:
    sound = embed(encode_vorbis(audio.mean(axis=0).astype(np.float32), sample_rate), "audio/ogg")
    return f'<div>{escape(label)}<audio controls preload="none" src="{sound}"></audio></div>'


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _cell(text: str) -> str:
    mark = ' class="wrong"' if text in (VERDICTS[False], "MISSING") else ""
    return f"<td{mark}>{escape(text)}</td>"

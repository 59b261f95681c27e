"""What is wrong with a batch as a whole, found before work begins."""

from collections.abc import Sequence
from pathlib import Path

from after.errors import AfterError
from render.arrange import AUTO_TIMBRE
from render.batch.plan import Item
from render.effects import load_effects
from render.engine import check_kind
from render.errors import RenderError
from render.job import InstrumentLoader, is_session
from render.source import is_midi
from render.timbres import resolve_timbre
from render.voices import Instrument


def check_jobs(items: Sequence[Item], load: InstrumentLoader) -> None:
    """Make sure that the effects, instruments and timbres of all jobs exist.

    What a session names is checked when it is rendered, like the files themselves.

    Args:
        items: what is to be rendered.
        load: loads each instrument once.

    Raises:
        RenderError: if something is not there, or an instrument is played by none of its files.
        AfterError: if an instrument cannot be loaded.
    """
    effects_checked: set[str] = set()
    by_instrument: dict[Path | None, list[Item]] = {}
    for item in items:
        if is_session(item.job.source):
            continue
        by_instrument.setdefault(item.job.instrument, []).append(item)
        if item.job.effects not in effects_checked:
            _check_effects(item)
            effects_checked.add(item.job.effects)
    for path, group in by_instrument.items():
        _check_group(path, group, load)


def _check_effects(item: Item) -> None:
    try:
        load_effects(item.job.effects)
    except RenderError as error:
        raise _placed(error, item) from error


def _check_group(path: Path | None, items: Sequence[Item], load: InstrumentLoader) -> None:
    """Check what one instrument is to play."""
    try:
        instrument = load(path)
    except AfterError as error:
        raise _placed(error, items[0]) from error
    known: set[str] = {AUTO_TIMBRE}
    for item in items:
        for timbre in (item.job.timbre, *(name for _, name in item.job.timbre_for)):
            if timbre not in known:
                _check_timbre(timbre, instrument, item)
                known.add(timbre)
    kinds = {is_midi(item.job.source) for item in items if item.job.source.is_file() and not item.job.transcribe}
    if kinds == {instrument.plays_audio}:
        check_kind(instrument, with_notes=instrument.plays_audio, with_audio=not instrument.plays_audio)


def _check_timbre(timbre: str, instrument: Instrument, item: Item) -> None:
    try:
        resolve_timbre(timbre, instrument.timbres, has_map=instrument.has_map)
    except RenderError as error:
        raise _placed(error, item) from error


def _placed(error: RenderError | AfterError, item: Item) -> RenderError | AfterError:
    """Say where the mistake stands, if in a file."""
    return type(error)(f"{item.place}: {error}") if item.place else error

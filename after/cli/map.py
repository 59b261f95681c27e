"""`after map`: where an instrument's timbres lie on its map, how good the map is, and a picture of it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from after.cli.picture_option import check_png
from after.errors import InstrumentError

_WORDS = {
    "trustworthiness": "neighbours on the map that are alike",
    "continuity": "alike timbres that are neighbours on the map",
    "timbre_purity": "nearest timbres of the same group",
    "map_purity": "nearest on the map of the same group",
    "reconstruction_error": "error of the timbre at an excerpt's place, over the variance",
    "named_error": "largest error at a named timbre's place",
    "filling": "share of the square in use",
}


@click.command()
@click.argument("instrument", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--png", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw it too.")
@click.option("--json", "as_json", is_flag=True, help="Give positions and figures as JSON.")
def command(instrument: Path, png: Path | None, as_json: bool) -> None:
    """Show the map of INSTRUMENT: its timbres laid out on a square, neighbours alike, every place playable.

    x and y run from -1 to 1. In Python, `set_timbre_at(x, y)` plays a place. The picture colours the map by the three
    main components of its timbres. `after bundle` makes the map.

    \b
    after map piano.safetensors
    after map piano.safetensors --png map.png
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.instrument.loading import load_engine
    from after.instrument.stored_map import MAP_TABLE

    if png is not None:
        check_png(png, "--png")
    loaded = load_engine(instrument)
    table = loaded.manifest.get(MAP_TABLE)
    if loaded.timbre_map is None or not isinstance(table, Mapping):
        raise InstrumentError(f"{instrument} has no map of timbres: make the file again with after bundle")
    quality = table.get("quality", {})
    if as_json:
        click.echo(json.dumps({"positions": dict(loaded.positions), "quality": quality}, indent=2))
    else:
        click.echo("\n".join([*_position_lines(loaded.positions), *_quality_lines(quality)]))
    if png is not None:
        from after.export.map_picture import draw_map

        draw_map(png, loaded.timbre_map, loaded.positions, title=f"map of timbres: {instrument.name}")
        click.echo(f"drawn: {png}", err=True)


def _position_lines(positions: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    width = max((len(name) for name in positions), default=0)
    yield f"{'timbre':<{max(width, 6)}}       x       y"
    yield from (f"{name:<{max(width, 6)}}  {x:+6.3f}  {y:+6.3f}" for name, (x, y) in positions.items())


def _quality_lines(quality: Mapping[str, object]) -> Iterator[str]:
    if quality:
        yield f"fitted to {quality.get('num_excerpts', '?')} excerpts, {quality.get('num_neighbours', '?')} neighbours"
    for name, words in _WORDS.items():
        value = quality.get(name)
        if isinstance(value, int | float):
            yield f"  {name:<20}  {value:.4f}  {words}"

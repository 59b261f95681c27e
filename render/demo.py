"""`after demo`: hear the instrument at once, by way of `after render` on the tunes that come with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click

import render.cli
from render.errors import OutputError, TimbreError
from render.options import range_of

MELODY, CHORDS = "demo.mid", "demo_chords.mid"

_MELODY_TIMBRES = ("violin", "flute", "cello", "trumpet")
_CHORD_TIMBRES = ("piano", "guitar", "epiano", "harp")
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """One render of the demo: a bundled MIDI file in a timbre."""

    midi_name: str
    timbre: str

    @property
    def stem(self) -> str:
        """Name of its files without suffix."""
        return f"{Path(self.midi_name).stem}_{self.timbre}"


def choose_pieces(timbres: Sequence[str]) -> tuple[Piece, ...]:
    """Give the melody in two timbres and the chords in one: well-known ones where the instrument has them.

    Raises:
        TimbreError: if the instrument names no timbres.
    """
    if not timbres:
        raise TimbreError("this instrument names no timbres; play it with after render song.mid --timbre FILE.wav")
    melody = _prefer(_MELODY_TIMBRES, timbres)[:2]
    chords = _prefer(_CHORD_TIMBRES, timbres)[:1]
    return (*(Piece(MELODY, name) for name in melody), *(Piece(CHORDS, name) for name in chords))


def _prefer(wanted: Sequence[str], timbres: Sequence[str]) -> list[str]:
    return sorted(timbres, key=lambda name: wanted.index(name) if name in wanted else len(wanted))


@click.command(epilog="Example: after demo --out out")
@click.option("--out", type=_FOLDER, default="out", show_default=True, help="Folder to write to; made if need be.")
@click.option("--instrument", type=_FILE, metavar="FILE", help="An instrument; default: the bundled one.")
@click.option("--steps", type=range_of("num_steps"), help="Sampler steps; default: the instrument's.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.pass_context
def command(ctx: click.Context, out: Path, instrument: Path | None, steps: int | None, seed: int) -> None:
    """Render the tunes that come with the package, with a picture of each; files of an earlier demo are replaced."""
    from render.job import load_instrument

    load = ctx.obj or load_instrument
    player = load(instrument)
    ctx.obj = lambda _: player  # one instrument for all pieces
    pieces = choose_pieces(player.timbres)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}; choose another with --out") from error
    for piece in pieces:
        with resources.as_file(resources.files("after") / "pretrained" / piece.midi_name) as midi_file:
            ctx.invoke(
                render.cli.command,
                source=midi_file,
                timbre=piece.timbre,
                instrument=instrument,
                out=out / f"{piece.stem}.wav",
                picture=out / f"{piece.stem}.png",
                steps=steps,
                seed=seed,
                force=True,
            )
    given = f" --instrument {instrument}" if instrument else ""
    click.echo(
        f"\nNext, with a MIDI file of yours:\n"
        f"  after render song.mid{given} --timbre {pieces[0].timbre} --effects room -o song.wav\n"
        f"  after render --list-timbres{given}\n"
        f"  after evaluate{given} --timbre {pieces[0].timbre}   how in tune and on time it plays\n"
        f"  after bench{f' {instrument}' if instrument else ''}   how fast it is on this machine"
    )

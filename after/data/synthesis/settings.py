"""What a synthesised data set is made of, as a recipe (TOML) says it."""

from dataclasses import dataclass, field
from pathlib import Path

from after.config import load_settings
from after.errors import ConfigError

RECIPE_FOLDER = Path(__file__).parents[2] / "recipes" / "bundled"


@dataclass(frozen=True, kw_only=True, slots=True)
class PhraseSettings:
    """How phrases are drawn.

    Attributes:
        seconds: length of a phrase, without the tail of its last notes.
        synthetic_share: share of phrases that are exercises (scales, leaps, repetitions, chords) instead of excerpts.
        slowest, fastest: limits of the tempo factor.
        softest, loudest: limits of velocity.
        max_polyphony: notes held at once; a further one ends the oldest.
        level_variation_db: each phrase is louder or softer by up to this much.
    """

    seconds: float = 12.0
    synthetic_share: float = 0.35
    slowest: float = 0.75
    fastest: float = 1.35
    softest: int = 16
    loudest: int = 125
    max_polyphony: int = 8
    level_variation_db: float = 2.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 1.0 <= self.seconds <= 600.0:
            raise ConfigError(f"phrases.seconds is {self.seconds}; it must be 1-600")
        if not 0.0 <= self.synthetic_share <= 1.0:
            raise ConfigError(f"phrases.synthetic_share is {self.synthetic_share}; it must be 0-1")
        if not 0.1 <= self.slowest <= self.fastest <= 10.0:
            raise ConfigError(f"phrases.slowest, fastest are {self.slowest}, {self.fastest}; 0.1 <= slowest <= fastest")
        if not 1 <= self.softest < self.loudest <= 127:
            raise ConfigError(f"phrases.softest, loudest are {self.softest}, {self.loudest}; 1 <= softest < loudest")
        if not 1 <= self.max_polyphony <= 64:
            raise ConfigError(f"phrases.max_polyphony is {self.max_polyphony}; it must be 1-64")


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldOut:
    """What never enters the set, so that it can be used to measure.

    Attributes:
        pitch_class: 0 = C .. 11 = B; of the named instruments neither recordings nor notes of it are used. -1 for none.
        instruments: the instruments that `pitch_class` applies to.
        midi_rows_modulo: MIDI files whose manifest row is congruent to 0 modulo this are not used. 0 for none.
    """

    pitch_class: int = -1
    instruments: tuple[str, ...] = ()
    midi_rows_modulo: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not -1 <= self.pitch_class <= 11:
            raise ConfigError(f"hold_out.pitch_class is {self.pitch_class}; it must be 0-11, or -1 for none")
        if self.midi_rows_modulo < 0:
            raise ConfigError(f"hold_out.midi_rows_modulo is {self.midi_rows_modulo}; it must be 0 or more")

    def pitch_class_of(self, instrument: str) -> int | None:
        """Give the pitch class held out for an instrument, if any."""
        return self.pitch_class if self.pitch_class >= 0 and instrument in self.instruments else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Which instruments play what; an empty `instruments` means all there are."""

    instruments: tuple[str, ...] = ()
    sample_rate: int = 44_100
    max_shift: int = 4
    phrases: PhraseSettings = field(default_factory=PhraseSettings)
    hold_out: HoldOut = field(default_factory=HoldOut)


def load_recipe(recipe: str | Path) -> Recipe:
    """Read a recipe: a `.toml` file, or the name of a bundled one (`synthesis`).

    Raises:
        ConfigError: if it does not exist or says something unknown or out of range.
    """
    bundled = RECIPE_FOLDER / f"{recipe}.toml"
    if not Path(recipe).suffix and bundled.is_file():
        return load_settings(Recipe, bundled)
    if not Path(recipe).is_file():
        known = ", ".join(sorted(path.stem for path in RECIPE_FOLDER.glob("*.toml")))
        raise ConfigError(f"{recipe} is no recipe; give a .toml file or one of the bundled recipes: {known}")
    return load_settings(Recipe, recipe)

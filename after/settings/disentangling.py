"""How training keeps timbre out of the structure and pitch out of the timbre."""

from dataclasses import dataclass

from after.settings.checks import require_above_zero, require_at_least, require_shares


@dataclass(frozen=True, kw_only=True, slots=True)
class DisentanglingSettings:
    """Weights of the losses that part structure and timbre; 0 leaves one out. Each rises smoothly from its entry.

    The first two act on structure that is learned: piano rolls and pitch tracks hold no timbre.

    Attributes:
        correlation: of the squared correlation between the structure's statistics and the timbre.
        timbre_critic: of the reversed gradient of a critic that guesses the timbre from the structure.
        pitch_critic: of the reversed gradient of a critic that guesses pitches from the timbre; with `timbre_first`, in
            the first stage only.
        octave_share: what octaves count beside pitch classes there; instruments have ranges, so a timbre that names one
            tells its octave.
        cycle: of the distance between timbre and structure asked for and those of what is generated.
        start: iterations, from where a loss comes in, after which its weight begins to rise.
        length: iterations until they are nearly whole.
        critic_width: features of the critics.
        critic_learning_rate: of the critics' own optimiser.
    """

    correlation: float = 0.0
    timbre_critic: float = 0.0
    pitch_critic: float = 0.0
    octave_share: float = 0.2
    cycle: float = 0.0
    start: int = 0
    length: int = 2000
    critic_width: int = 128
    critic_learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        table = "disentangling"
        require_at_least(0, table, self, "correlation", "timbre_critic", "pitch_critic", "cycle", "start")
        require_at_least(1, table, self, "length", "critic_width")
        require_shares(table, self, "octave_share")
        require_above_zero(table, self, "critic_learning_rate")


@dataclass(frozen=True, kw_only=True, slots=True)
class TimbreFirstSettings:
    """A first stage that trains the timbre encoder alone, by contrast, and then leaves it as it is.

    Attributes:
        iterations: of the first stage; 0 trains the timbre encoder with everything else, end to end.
        temperature: of the contrast; lower looks closer at what is alike.
    """

    iterations: int = 0
    temperature: float = 0.1

    def __post_init__(self) -> None:
        require_at_least(0, "timbre_first", self, "iterations")
        require_above_zero("timbre_first", self, "temperature")

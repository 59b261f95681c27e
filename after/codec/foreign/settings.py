"""What is known about a codec that another program trained; stored with every model that learned its latents."""

from dataclasses import dataclass

from after.errors import ConfigError

FOREIGN_KIND = "foreign"


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignSettings:
    """A foreign codec.

    Attributes:
        kind: tells this table from that of a codec of ours.
        sha256: of the file, in hexadecimal digits.
        sample_rate: Hz.
        hop_length: samples per latent frame.
        num_latents: latent channels, D.
        latency_samples: measured lag of a streamed encode + decode behind the input.
        mean: of each latent channel, measured on training audio; empty before that.
        std: likewise.
    """

    kind: str = FOREIGN_KIND
    sha256: str
    sample_rate: int
    hop_length: int
    num_latents: int
    latency_samples: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind != FOREIGN_KIND:
            raise ConfigError(f"codec.kind is {self.kind!r}; it must be {FOREIGN_KIND!r}")
        sizes = {len(self.mean), len(self.std)}
        if sizes not in ({0}, {self.num_latents}):
            raise ConfigError(f"codec.mean and codec.std must have {self.num_latents} values each, or none")

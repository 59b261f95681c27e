"""The tiny instrument as a file that says everything about itself, as `after bundle` writes it."""

from pathlib import Path

from tests.tiny_instrument import make_tiny_instrument

TIMBRES = tuple(make_tiny_instrument().timbres)


def write_tiny_file(path: Path, *, num_steps: int = 2) -> Path:
    return make_tiny_instrument().write(
        path,
        attributes={"num_steps": num_steps, "guidance_structure": 1.0, "guidance_timbre": 1.0},
        description={
            "license": "CC0-1.0",
            "credits": {name: "made by a test" for name in TIMBRES},
            "timbres": list(TIMBRES),
            "data_hours": 0.0,
            "iterations": 0,
        },
    )

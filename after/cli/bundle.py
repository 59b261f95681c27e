"""`after bundle`: a trained model and its codec become one instrument file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from after.errors import ConfigError

_PATH = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("run", type=_PATH)
@click.option(
    "--codec",
    type=_PATH,
    metavar="RUN_OR_FILE",
    help="The codec that RUN was trained with; a TorchScript file becomes part of the instrument. Default: the bundled "
    "codec.",
)
@click.option("--store", required=True, type=_PATH, help="The data set that RUN was trained on.")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), metavar="FILE.safetensors", help="Where to write."
)
@click.option("--rename", multiple=True, metavar="GROUP=NAME", help="Name a timbre otherwise; repeatable.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Make timbres of these only; repeatable.")
@click.option("--license", "license_text", default="", metavar="TEXT", help="Licence of the weights.")
@click.option("--steps", type=click.IntRange(1, 64), default=4, show_default=True, help="Sampler steps by default.")
@click.option("--guidance-structure", type=click.FloatRange(0, 10), default=1.0, show_default=True)
@click.option("--guidance-timbre", type=click.FloatRange(0, 10), default=1.0, show_default=True)
@click.option(
    "--excerpts", type=click.IntRange(1), default=64, show_default=True, help="Excerpts averaged for a timbre."
)
@click.option("--max-megabytes", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Refuse above.")
def command(run: Path, codec: Path | None, store: Path, out: Path, **options: Any) -> None:
    """Assemble an instrument file from RUN, a run folder of `after train` (or one of its checkpoints).

    The averaged weights are taken and stored as float16. Each group of the training data (its folder's name) becomes
    a named timbre, and the excerpts behind them a map of timbres, which `after map` shows.

    \b
    after bundle runs/piano --codec runs/codec --store data/store -o piano.safetensors
    after bundle runs/all --codec runs/codec --store data/store -o all.safetensors --rename sf_oboe=oboe
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.codec.load import BUNDLED_CODEC
    from after.export.bundle import BundleJob, bundle
    from after.export.card import describe_instrument
    from after.instrument import Attributes

    job = BundleJob(
        run=run,
        codec=codec or BUNDLED_CODEC,
        store=store,
        names=parse_names(options["rename"]),
        groups=options["groups"],
        license=options["license_text"],
        attributes=Attributes(
            num_steps=options["steps"],
            guidance_structure=options["guidance_structure"],
            guidance_timbre=options["guidance_timbre"],
        ),
        num_excerpts=options["excerpts"],
        max_megabytes=options["max_megabytes"],
    )
    bundle(job, out)
    for line in describe_instrument(out):
        click.echo(line)


def parse_names(assignments: Sequence[str]) -> dict[str, str]:
    """Turn `GROUP=NAME` texts into names by group.

    Raises:
        ConfigError: if one is not of that form, or a group is named twice.
    """
    names: dict[str, str] = {}
    for assignment in assignments:
        group, separator, name = (part.strip() for part in assignment.partition("="))
        if not separator or not group or not name or group in names:
            raise ConfigError(f"--rename {assignment}: write GROUP=NAME, each group once, such as sf_oboe=oboe")
        names[group] = name
    return names

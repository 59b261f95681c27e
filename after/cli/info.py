"""`after info`: versions, devices, and what an instrument file says about itself."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

import after

LIBRARIES = ("torch", "numpy", "torchcrepe", "onnxruntime", "basic-pitch", "pedalboard", "dawdreamer", "ray")


@click.command(epilog="Example: after info piano.safetensors")
@click.argument("instrument", type=click.Path(path_type=Path, dir_okay=False), required=False)
def command(instrument: Path | None) -> None:
    """Describe INSTRUMENT: size, rates, timbres, defaults, training data, licence and credits.

    Without a file: versions, the devices that can be used, and the bundled instrument.
    """
    from after.export.card import describe_instrument
    from after.instrument import BUNDLED

    if instrument is None:
        _show_installation()
    if instrument is None and not BUNDLED.is_file():
        click.echo(f"instrument none bundled at {BUNDLED}: train one and make its file with after bundle")
        return
    for line in describe_instrument(instrument or BUNDLED):
        click.echo(line)


def _show_installation() -> None:
    click.echo(f"after      {after.__version__}, Python {platform.python_version()}, {platform.platform()}")
    for library in LIBRARIES:
        click.echo(f"  {library:<12} {_find_version(library)}")
    click.echo(f"devices    {_describe_devices()}")


def _find_version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _describe_devices() -> str:
    import torch

    threads = f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} torch threads)"
    gpus = [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    return ", ".join([threads, *gpus])

"""`after info`: versions, the bundled instrument and the devices that can be used."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

import after

PRETRAINED_FOLDER = Path(after.__file__).parent / "pretrained"
LIBRARIES = ("torch", "numpy", "torchcrepe", "onnxruntime", "basic-pitch", "pedalboard", "dawdreamer", "ray")


@click.command()
def command() -> None:
    """Show versions, the bundled instrument and the devices that can be used."""
    click.echo(f"after      {after.__version__}, Python {platform.python_version()}, {platform.platform()}")
    for library in LIBRARIES:
        click.echo(f"  {library:<12} {_find_version(library)}")
    click.echo(f"instrument {_describe_instruments(PRETRAINED_FOLDER)}")
    click.echo(f"devices    {_describe_devices()}")


def _find_version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _describe_instruments(folder: Path) -> str:
    files = sorted(folder.glob("*.ts"))
    if not files:
        return f"none bundled in {folder}: train and export one, see after export --help"
    return ", ".join(f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)" for path in files)


def _describe_devices() -> str:
    import torch

    threads = f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} torch threads)"
    gpus = [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    return ", ".join([threads, *gpus])

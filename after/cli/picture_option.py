"""The check of an option that names a picture to draw."""

from pathlib import Path

import click


def check_png(path: Path, option: str) -> None:
    """Refuse a file that cannot be the picture, before any work.

    Raises:
        click.BadParameter: naming the option.
    """
    from after.files import check_writable

    if path.suffix.lower() != ".png":
        raise click.BadParameter(f"{path} does not end in .png: the picture is a PNG", param_hint=option)
    if not path.parent.is_dir():
        raise click.BadParameter(f"{path.parent} is not a folder: make it, or name another one", param_hint=option)
    try:
        check_writable(path)
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be written: {error.strerror}", param_hint=option) from error

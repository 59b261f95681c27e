"""What an exported file says about itself: JSON inside the archive, read without torch."""

import json
import zipfile
from pathlib import Path

from after.errors import ExportError

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1
EXPORT_SUFFIX = ".ts"


def read_manifest(path: str | Path) -> dict[str, object]:
    """Read the manifest of an exported file.

    Args:
        path: written by `after export` or `after export_autoencoder`.

    Raises:
        ExportError: if the file is missing, damaged, or was not written by after.
    """
    path = Path(path)
    if not path.is_file():
        raise ExportError(f"there is no file {path}: name one that after export wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(f"/extra/{MANIFEST_NAME}")]
            manifest = json.loads(archive.read(names[0])) if names else None
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ExportError(f"{path} is no exported model or is damaged ({error}): export it again") from error
    if not isinstance(manifest, dict):
        raise ExportError(f"{path} has no manifest: it was not written by after export")
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ExportError(
            f"{path} has a manifest of version {version}, this program reads {SCHEMA_VERSION}: export again"
        )
    return manifest

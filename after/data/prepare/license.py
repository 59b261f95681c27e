"""What `dataset.json` in an input's folder says of the licences of its groups."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from after.errors import DataError

DATASET_FILE = "dataset.json"
"""Written by `after synthesize_dataset`: {"instruments": {group: {"credits": [{"licence": ..., "source": ...}]}}}."""


def licenses_by_group(inputs: Sequence[Path]) -> dict[str, str]:
    """Give the licences of the groups that the inputs' `dataset.json` files name, sources included.

    Raises:
        DataError: if such a file is not JSON of this form.
    """
    found: dict[str, str] = {}
    for path in (folder / DATASET_FILE for folder in inputs):
        if path.is_file():
            found |= _read(path)
    return found


def _read(path: Path) -> dict[str, str]:
    """Read one file."""
    try:
        instruments: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["instruments"]
        return {
            name: "; ".join(f"{credit['licence']} ({credit['source']})" for credit in entry["credits"])
            for name, entry in instruments.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise DataError(
            f"{path} does not list instruments with their credits ({error!r}); mend or remove it"
        ) from error

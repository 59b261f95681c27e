"""Prepare small folders, and look at what is in the stores."""

from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from after.data.prepare.report import PrepareReport
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store

CHUNK_SAMPLES = 32 * 1024
CHUNK_S = CHUNK_SAMPLES / 44_100


def run(
    *inputs: str, out: str = "store", workers: int = 0, license_text: str = "", parser: str | None = None, **given: Any
) -> PrepareReport:
    paths = tuple(map(Path, inputs))
    job = PrepareJob(inputs=paths, out=Path(out), workers=workers, license=license_text, parser=parser)
    return prepare(job, {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.5, **given})


def dump(path: str | Path) -> dict[bytes, bytes]:
    with lmdb.open(str(path), map_size=1 << 32, readonly=True) as environment, environment.begin() as transaction:
        return {key: value for key, value in transaction.cursor() if key != b"manifest"}


def audio_of(store: Store, source: str) -> np.ndarray:
    (record,) = [record for record in store.sources() if record.source == source]
    return np.concatenate([store.read(key)["audio"] for key in record.chunk_keys()])

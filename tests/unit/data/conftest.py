"""What every data test gets: stores that do not wait for the disk, which only a loss of power could tell."""

from functools import partial

import lmdb
import pytest


@pytest.fixture(autouse=True)
def _no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb, "open", partial(lmdb.open, sync=False))

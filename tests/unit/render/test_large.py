"""Large arrays: zeros on disk that vanish with the array, and a word where there is no room for them."""

import errno
import os

import numpy as np
import pytest

from render import large
from render.errors import RenderError


def test_large_arrays_are_zeros_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE_BYTES", 1000)
    small, big = large.zeros((2, 100)), large.zeros((2, 1000))
    assert isinstance(big, np.memmap)
    assert not isinstance(small, np.memmap)
    assert (big.shape, big.dtype, float(np.abs(big).max())) == ((2, 1000), np.float32, 0.0)
    big[:] = 1.0
    assert large.peak_of(big) == 1.0


def test_no_room_is_said_instead_of_a_crash_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(large, "LARGE_BYTES", 1000)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RenderError, match=r"no room for 4 MiB of sound .*TMPDIR"):
        large.zeros((1, 1 << 20))


@pytest.mark.parametrize("num_samples", [0, 1, 7, 10, 25])
def test_pieces_cover_everything_once(monkeypatch: pytest.MonkeyPatch, num_samples: int) -> None:
    monkeypatch.setattr(large, "PIECE_SAMPLES", 10)
    covered = [index for piece in large.pieces(num_samples) for index in range(piece.start, piece.stop)]
    assert covered == list(range(num_samples))
    assert large.peak_of(-np.ones((1, num_samples), np.float32)) == float(num_samples > 0)

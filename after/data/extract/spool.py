"""A file in which a worker leaves what it computed, for the one process that writes the store.

Layout, repeated: u32 chunk index, u32 length of the name, u64 length of the block, the name, the block (safetensors).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from after.data.records import Array, encode_array
from after.errors import DataError

_HEADER = struct.Struct("<IIQ")


@dataclass(frozen=True, slots=True)
class SpooledArray:
    """One array of one chunk, still encoded."""

    index: int
    name: str
    block: bytes


def write_array(spool: BinaryIO, index: int, name: str, array: Array) -> None:
    """Append one array."""
    block, encoded = encode_array(name, array), name.encode()
    spool.write(_HEADER.pack(index, len(encoded), len(block)) + encoded + block)


def read_arrays(path: Path) -> Iterator[SpooledArray]:
    """Give the arrays one after the other.

    Raises:
        DataError: if the file ends early.
    """
    with path.open("rb") as spool:
        while header := spool.read(_HEADER.size):
            index, name_length, block_length = _HEADER.unpack(header)
            body = spool.read(name_length + block_length)
            if len(body) < name_length + block_length:
                raise DataError(f"{path} ends early; is the disk full? Run the same command again")
            yield SpooledArray(index, body[:name_length].decode(), body[name_length:])

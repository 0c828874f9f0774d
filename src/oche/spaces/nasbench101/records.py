"""Readers of the release's file: TFRecord framing with its checksums, and the wire format of protocol buffers.

Both are small public formats; reading them here needs no other library and executes nothing of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from oche.errors import DataError

_BATCH = 4096
#: No record of a table is longer; a length beyond it is damage.
_LONGEST = 1 << 14
_HEAD = struct.Struct("<QI")
_MASK = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78


def _table() -> NDArray[np.uint32]:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(_POLYNOMIAL), crc >> 1).astype(np.uint32)
    return crc


_TABLE = _table()


def masked_crcs(items: list[bytes]) -> NDArray[np.uint32]:
    """The checksum of each item as TFRecord writes it: CRC-32C, rotated and shifted. All items go byte by byte side by side."""
    lengths = np.fromiter(map(len, items), np.int64, len(items))
    order = np.argsort(-lengths, kind="stable")
    longest = int(lengths.max(initial=0))
    grid = np.frombuffer(b"".join(items[i].ljust(longest, b"\0") for i in order), np.uint8).reshape(len(items), longest)
    # Longest first: the items that have a byte at this place are always the first ones.
    columns, falling = np.ascontiguousarray(grid.T), -lengths[order]
    crc = np.full(len(items), 0xFFFFFFFF, np.uint32)
    for place in range(longest):
        n = int(np.searchsorted(falling, -place, side="left"))
        part = crc[:n]
        crc[:n] = _TABLE[(part ^ columns[place, :n]) & 0xFF] ^ (part >> np.uint32(8))
    crc ^= np.uint32(0xFFFFFFFF)
    found = np.empty_like(crc)
    found[order] = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK)
    return found


def records(stream: BinaryIO) -> Iterator[bytes]:
    """The records of a TFRecord file, in order; both checksums of each are verified.

    Raises:
        DataError: a checksum differs, or the file is cut; the message names the record.
    """
    first = 0
    while batch := _read(stream, first):
        heads, lengths_crc, bodies, bodies_crc = zip(*batch, strict=True)
        for what, items, crcs in (("length", heads, lengths_crc), ("data", bodies, bodies_crc)):
            wrong = np.flatnonzero(masked_crcs(list(items)) != np.array(crcs, np.uint32))
            if len(wrong):
                raise DataError(
                    f"record {first + int(wrong[0])}: got a {what} whose checksum differs; allowed: a whole TFRecord file; get it again"
                )
        yield from bodies
        first += len(batch)


def _read(stream: BinaryIO, first: int) -> list[tuple[bytes, int, bytes, int]]:
    batch: list[tuple[bytes, int, bytes, int]] = []
    while len(batch) < _BATCH and (head := stream.read(_HEAD.size)):
        number = first + len(batch)
        if len(head) < _HEAD.size:
            raise _cut(number)
        length, crc = _HEAD.unpack(head)
        if length > _LONGEST:
            raise DataError(
                f"record {number}: got a length of {length} bytes; allowed: a TFRecord file, neither damaged nor of another kind"
            )
        body = stream.read(length + 4)
        if len(body) < length + 4:
            raise _cut(number)
        batch.append((head[:8], crc, body[:-4], int.from_bytes(body[-4:], "little")))
    return batch


def _cut(number: int) -> DataError:
    return DataError(f"record {number}: got the end of the file inside of it; allowed: a whole TFRecord file; get it again")


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a protocol buffer as (number, value), in order.

    Fixed 64-bit values are read as doubles, fixed 32-bit ones as floats; text and messages inside stay bytes.

    Raises:
        DataError: the bytes are not in the wire format.
    """
    at = 0
    try:
        while at < len(message):
            tag, at = _varint(message, at)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                value, at = _varint(message, at)
                yield number, value
            elif kind == 1:
                yield number, struct.unpack_from("<d", message, at)[0]
                at += 8
            elif kind == 5:
                yield number, struct.unpack_from("<f", message, at)[0]
                at += 4
            elif kind == 2:
                length, at = _varint(message, at)
                if at + length > len(message):
                    raise IndexError
                yield number, message[at : at + length]
                at += length
            else:
                raise DataError(f"protocol buffer: got wire type {kind} at byte {at}; allowed: 0, 1, 2, 5")
    except (IndexError, struct.error) as error:
        raise DataError(f"protocol buffer: got {len(message)} bytes that end inside of a field; allowed: whole messages") from error


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise DataError(f"protocol buffer: got a number of more than 64 bits at byte {at}; allowed: whole messages")

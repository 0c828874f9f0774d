"""Writes small files of the layout in which NAS-Bench-101 was released: an encoder of its own, byte by byte."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from oche.spaces.nasbench101 import Graph, graph_hash


def crc32c(data: bytes) -> int:
    """CRC-32C, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    return length + masked(length) + record + masked(record)


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def evaluation(epoch: float, seconds: float, train: float, valid: float, test: float) -> bytes:
    doubles = (epoch, seconds, train, valid, test)
    path = b"model.ckpt"
    inside = (
        b"".join(varint(n << 3 | 1) + struct.pack("<d", v) for n, v in enumerate(doubles, 1))
        + varint(6 << 3 | 2)
        + varint(len(path))
        + path
    )
    return varint(1 << 3 | 2) + varint(len(inside)) + inside


def metrics(epochs: int, valid: float, test: float, params: int) -> bytes:
    steps = (evaluation(0, 0, 0.1, 0.1, 0.1), evaluation(epochs / 2, 50, 0.6, valid / 2, test / 2), evaluation(epochs, 100, 1, valid, test))
    return b"".join(steps) + varint(2 << 3) + varint(params) + varint(3 << 3 | 1) + struct.pack("<d", 123.5)


def record(graph: Graph, epochs: int, valid: float, test: float, params: int = 1_000_000, name: str | None = None) -> bytes:
    """One training of a cell; accuracies are fractions."""
    bits = "".join(str(v) for row in graph.matrix for v in row)
    packed = base64.b64encode(metrics(epochs, valid, test, params)).decode()
    return json.dumps([name or graph_hash(graph), epochs, bits, ",".join(graph.ops), packed]).encode()


def write(path: Path, records: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(map(frame, records)))
    return path


def graph(edges: Sequence[tuple[int, int]], ops: Sequence[str]) -> Graph:
    n = len(ops) + 2
    matrix = tuple(tuple(int((i, j) in edges) for j in range(n)) for i in range(n))
    return Graph(matrix, ("input", *ops, "output"))

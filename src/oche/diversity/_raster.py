"""Pictures and films as bytes: PNG and animated GIF by ourselves, MP4 by `ffmpeg`."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from oche.errors import ArgumentError
from oche.files import atomic

# Without a palette of its own a film gets six levels of each color.
_LEVELS = 6
_CODES = 4096


def png_bytes(picture: np.ndarray) -> bytes:
    """A PNG file.

    Args:
        picture: `(height, width, 3)` uint8.
    """
    found = _checked(picture[None])[0]
    height, width = found.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), found.reshape(height, -1)], 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def gif_bytes(frames: np.ndarray, seconds: float = 0.1, hold_seconds: float = 1.5) -> bytes:
    """An animated GIF that starts again at its end.

    Args:
        frames: `(n, height, width, 3)` uint8; with more than 256 colors they are rounded to 216.
        seconds: Per frame, in hundredths.
        hold_seconds: Of the last frame.
    """
    found = _checked(frames)
    height, width = found.shape[1:3]
    palette, indexed = _palette(found)
    bits = max(2, int(np.ceil(np.log2(max(2, len(palette))))))
    colors = np.zeros((2**bits, 3), np.uint8)
    colors[: len(palette)] = palette
    made = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF0 | (bits - 1), 0, 0), colors.tobytes()]
    made.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
    for i, frame in enumerate(indexed):
        delay = round(100 * (hold_seconds if i == len(indexed) - 1 else seconds))
        made.append(b"\x21\xf9\x04" + struct.pack("<BHBB", 0, delay, 0, 0))
        made.append(b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + bytes([bits]))
        data = _compress(frame.ravel().tolist(), bits)
        made += [bytes([len(part)]) + part for part in (data[j : j + 255] for j in range(0, len(data), 255))]
        made.append(b"\x00")
    return b"".join(made) + b"\x3b"


def has_ffmpeg() -> bool:
    """Whether films can be written as MP4."""
    return shutil.which("ffmpeg") is not None


def write_mp4(path: Path, frames: np.ndarray, seconds: float = 0.1) -> None:
    """Write a film as MP4, by the program `ffmpeg`.

    Args:
        path: The file.
        frames: `(n, height, width, 3)` uint8.
        seconds: Per frame.

    Raises:
        ArgumentError: there is no `ffmpeg`, or it failed.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise ArgumentError(
            f"film {path.name!r}: got no program 'ffmpeg'; allowed: one on the PATH; install it, for example by 'apt-get install ffmpeg' "
            "or 'conda install ffmpeg'; the report holds the same films as GIF without it"
        )
    found = _checked(frames)
    # The encoder wants even sides.
    found = found[:, : found.shape[1] // 2 * 2, : found.shape[2] // 2 * 2]
    size = f"{found.shape[2]}x{found.shape[1]}"
    words = [program, "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{1 / seconds:g}", "-i", "-"]
    with atomic(path) as target:
        done = subprocess.run(
            [*words, "-pix_fmt", "yuv420p", "-f", "mp4", str(target)], input=np.ascontiguousarray(found).tobytes(), capture_output=True
        )
        if done.returncode:
            raise ArgumentError(f"film: ffmpeg failed on {str(path)!r}: {done.stderr.decode(errors='replace').strip()[-300:]}")


def enlarged(frames: np.ndarray, times: int) -> np.ndarray:
    """Every pixel `times` as wide and as high."""
    return frames.repeat(times, axis=-3).repeat(times, axis=-2)


def _checked(frames: np.ndarray) -> np.ndarray:
    found = np.asarray(frames)
    if found.ndim != 4 or found.shape[3] != 3 or found.dtype != np.uint8 or not found.size:
        raise ArgumentError(f"frames: got shape {found.shape} of {found.dtype}; allowed: (n, height, width, 3) uint8, at least one")
    return found


def _palette(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colors `(k, 3)`, at most 256, and frames as their indices."""
    flat = frames.reshape(-1, 3)
    colors, index = np.unique(flat, axis=0, return_inverse=True)
    if len(colors) > 256:
        step = 255 / (_LEVELS - 1)
        flat = (np.round(flat / step) * step).round().astype(np.uint8)
        colors, index = np.unique(flat, axis=0, return_inverse=True)
    return colors, index.reshape(frames.shape[:3])


def _compress(pixels: Iterable[int], bits: int) -> bytes:
    """GIF's form of LZW: codes of growing width, lowest bit first."""
    clear, end = 1 << bits, (1 << bits) + 1
    made, held, count = bytearray(), 0, 0
    width, following = bits + 1, end + 1
    table: dict[tuple[int, int], int] = {}
    held, count = clear, width
    prefix = -1
    for pixel in pixels:
        if prefix < 0:
            prefix = pixel
            continue
        known = table.get((prefix, pixel))
        if known is not None:
            prefix = known
            continue
        held |= prefix << count
        count += width
        while count >= 8:
            made.append(held & 255)
            held, count = held >> 8, count - 8
        if following < _CODES:
            table[prefix, pixel] = following
            if following == 1 << width:
                width += 1
            following += 1
        else:
            held |= clear << count
            count += width
            width, following, table = bits + 1, end + 1, {}
        prefix = pixel
    for code in (prefix, end):
        held |= code << count
        count += width
        # The code just written completes an entry, after which the next may be a bit wider.
        if code == prefix and following == 1 << width and width < 12:
            width += 1
    while count > 0:
        made.append(held & 255)
        held, count = held >> 8, count - 8
    return bytes(made)

"""The map of the hard maze, and the tables that make its sensors quick: all lines of sight as lists of pixels, walls made wider."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

SIZE = 200
RANGE = 34  # pixels, of a laser; one more than 100 / 3
BODY = 3  # pixels, radius of the robot

# Round-ended strokes x1, y1, x2, y2, half width in pixels.
_STROKES = (
    (3.9, 44.7, 69, 49.2, 3.03),
    (58.6, 48.1, 131, 26.1, 2.62),
    (58, 48, 58, 150.2, 2.88),
    (60.4, 102.8, 94.4, 121.8, 2.31),
    (93.8, 121.5, 153.6, 154.8, 2.23),
    (85.6, 85.3, 196.6, 143.3, 2.22),
    (2.1, 72.7, 35.4, 115.7, 2.6),
    (107.4, 157.2, 73.8, 196.2, 2.46),
)
_BORDER = 3


@cache
def walls() -> np.ndarray:
    """`(200, 200)` booleans, x first, y downward: true where a wall stands."""
    x, y = np.meshgrid(np.arange(SIZE, dtype=float), np.arange(SIZE, dtype=float), indexing="ij")
    edge = SIZE - _BORDER
    found = (x < _BORDER) | (y < _BORDER) | (x >= edge) | (y >= edge)
    for x1, y1, x2, y2, half in _STROKES:
        dx, dy = x2 - x1, y2 - y1
        along = np.clip(((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy), 0, 1)
        found |= (x - x1 - along * dx) ** 2 + (y - y1 - along * dy) ** 2 <= half**2
    return found


@cache
def body_offsets() -> np.ndarray:
    """`(29, 2)` pixels of the robot's body, relative to its middle."""
    shifts = np.arange(-BODY, BODY + 1)
    found = np.stack(np.meshgrid(shifts, shifts, indexing="ij"), -1).reshape(-1, 2)
    return found[(found**2).sum(1) <= BODY**2]


@cache
def blocked() -> np.ndarray:
    """`(200, 200)` booleans: where the robot's middle cannot be. Exact: walls made wider by the body."""
    padded = np.pad(walls(), BODY)
    found = np.zeros((SIZE, SIZE), dtype=bool)
    for dx, dy in body_offsets():
        found |= padded[BODY + dx : BODY + dx + SIZE, BODY + dy : BODY + dy + SIZE]
    return found


#: Pixels around the map that count as walls, so that no line of sight leaves the array.
PAD = RANGE + 4


@cache
def sight() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines of sight by their end.

    Returns:
        The padded map, flat; for each end (dx, dy) in pixels, as `(2 RANGE + 1)^2` rows, the flat offsets of all pixels that the line
        touches, `(rows, RANGE, 3)`, three for each step; and those of the line itself, `(rows, RANGE, 2)` as (dx, dy). Steps beyond the
        end of a line repeat the start, which is no wall.

    Source: all squares that a line touches, Dedu 2001, as libfastsim has it.
    """
    padded = np.pad(walls(), PAD, constant_values=True)
    width = padded.shape[1]
    reach = np.arange(-RANGE, RANGE + 1)
    dx, dy = (a.reshape(-1, 1) for a in np.meshgrid(reach, reach, indexing="ij"))
    sx, sy, ax, ay = np.where(dx < 0, -1, 1), np.where(dy < 0, -1, 1), np.abs(dx), np.abs(dy)
    # The original walks along y where both axes are equally long.
    along_y = ay >= ax
    long, short = np.maximum(ax, ay), np.minimum(ax, ay)
    step = np.arange(1, RANGE + 1)
    valid = step <= long
    safe = np.maximum(long, 1)

    def crossed(i: np.ndarray) -> np.ndarray:
        return (long + 2 * short * i - 1) // (2 * safe)

    minor, last = crossed(step), crossed(step - 1)
    error = long + 2 * short * step - 2 * long * minor
    error_before = long + 2 * short * (step - 1) - 2 * long * last
    turned = minor > last
    # On the step where the minor axis moves, one more square is touched, or two at a corner.
    total = error + error_before
    first = turned & (total <= 2 * long)  # moved along the long axis only
    second = turned & (total >= 2 * long)  # moved along the short axis only

    def pixel(major: np.ndarray, small: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.where(along_y, sx * small, sx * major)
        y = np.where(along_y, sy * major, sy * small)
        return np.where(which, x, 0), np.where(which, y, 0)

    line = pixel(np.broadcast_to(step, minor.shape), minor, valid)
    touched = [line, pixel(np.broadcast_to(step, minor.shape), last, valid & first), pixel(step - 1 + 0 * minor, minor, valid & second)]
    flat = np.stack([x * width + y for x, y in touched], -1).astype(np.int32)
    return padded.ravel(), flat, np.stack(line, -1).astype(np.int32)


@cache
def _seen() -> tuple[np.ndarray, np.ndarray, int]:
    """What is remembered of lines of sight: the column of each end, and by pixel and column 0 (not looked at yet), 1 (no wall) or 2 + step.

    Lasers of one length end on a ring, so few ends occur; the table fills while robots move, and every entry is a pure function of its
    place, so sharing it changes no result.
    """
    reach = np.arange(-RANGE, RANGE + 1)
    dx, dy = (a.ravel() for a in np.meshgrid(reach, reach, indexing="ij"))
    length = np.hypot(dx, dy)
    ring = (length >= RANGE - 2.5) & (length <= RANGE + 1.5)
    column = np.where(ring, np.cumsum(ring) - 1, -1)
    count = int(ring.sum())
    return column, np.zeros(SIZE * SIZE * count, dtype=np.uint8), count


def first_wall(x: np.ndarray, y: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first wall on lines of sight.

    Args:
        x: `(n,)` pixels where they start, on the map; `y` likewise.
        y: See `x`.
        dx: `(n,)` pixels from start to end, `RANGE` or less; `dy` likewise.
        dy: See `dx`.

    Returns:
        Which lines meet a wall, and the pixels from start to the wall in x and y (0 where there is none).
    """
    padded, touched, lines = sight()
    column, table, count = _seen()
    row = (dx + RANGE) * (2 * RANGE + 1) + dy + RANGE
    place = (x * SIZE + y) * count + column[row]
    found = table[place]
    new = np.flatnonzero(found == 0)
    if len(new):
        start = (x[new] + PAD) * (SIZE + 2 * PAD) + y[new] + PAD
        hits: Any = padded[start[:, None, None] + touched[row[new]]].any(2)
        step = hits.argmax(1)
        found[new] = np.where(hits[np.arange(len(step)), step], 2 + step, 1)
        table[place[new]] = found[new]
    met = found > 1
    end = lines[row, np.where(met, found, 2).astype(np.int64) - 2]
    return met, np.where(met, end[:, 0], 0), np.where(met, end[:, 1], 0)

"""Pictures of many episodes at once, straight at 64 x 64 pixels: shapes are stamped pixel by pixel, without smoothing.

A canvas holds one picture per row. Positions are pixels: x to the right, y downward, pixel i covers [i, i + 1).
"""

from __future__ import annotations

import numpy as np

SIZE = 64

Color = tuple[int, int, int]


def canvases(background: np.ndarray, n: int) -> np.ndarray:
    """`n` copies of a background `(64, 64, 3)`, uint8."""
    return np.repeat(background[None], n, axis=0)


def blank(color: Color = (0, 0, 0)) -> np.ndarray:
    """A background of one color."""
    return np.tile(np.array(color, dtype=np.uint8), (SIZE, SIZE, 1))


def fill_box(picture: np.ndarray, x: float, y: float, width: float, height: float, color: Color) -> None:
    """Color the pixels of one background whose middle lies in a box."""
    middle = np.arange(SIZE) + 0.5
    inside = ((middle >= y) & (middle < y + height))[:, None] & ((middle >= x) & (middle < x + width))
    picture[inside] = color


def fill_disc(picture: np.ndarray, x: float, y: float, radius: float, color: Color) -> None:
    """Color the pixels of one background whose middle lies in a disc."""
    middle = np.arange(SIZE) + 0.5
    picture[(middle[:, None] - y) ** 2 + (middle - x) ** 2 <= radius**2] = color


def stamp_points(pictures: np.ndarray, x: np.ndarray, y: np.ndarray, color: Color) -> None:
    """Color single pixels of every picture.

    Args:
        pictures: `(n, 64, 64, 3)`, changed in place.
        x: `(k, n)`, k points for each picture; those outside are left out.
        y: As `x`.
        color: Red, green, blue.
    """
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    inside = (column >= 0) & (column < SIZE) & (row >= 0) & (row < SIZE)
    picture = np.broadcast_to(np.arange(pictures.shape[0]), column.shape)
    flat = pictures.reshape(-1, 3)
    flat[(picture[inside] * SIZE + row[inside]) * SIZE + column[inside]] = color


def stamp_discs(pictures: np.ndarray, x: np.ndarray, y: np.ndarray, radius: float, color: Color) -> None:
    """Color a disc in every picture: the pixels whose middle lies in it, at least the one that holds its center.

    Args:
        pictures: `(n, 64, 64, 3)`, changed in place.
        x: `(n,)` centers.
        y: As `x`.
        radius: In pixels.
        color: Red, green, blue.
    """
    reach = int(np.ceil(radius)) + 1
    shifts = np.arange(-reach, reach + 1)
    columns = np.floor(x)[None, None] + shifts[None, :, None] + 0.5
    rows = np.floor(y)[None, None] + shifts[:, None, None] + 0.5
    near = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    near[reach, reach] = True
    columns, rows = np.broadcast_arrays(columns, rows)
    # What is not in the disc is moved out of the picture.
    stamp_points(pictures, np.where(near, columns, -1.0).reshape(-1, len(x)), rows.reshape(-1, len(x)), color)


def strips(x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, width: float, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Points that fill straight strips densely enough for `stamp_points`.

    Args:
        x0: `(n,)` start of each strip's middle line; `y0`, `x1`, `y1` likewise.
        y0: See `x0`.
        x1: See `x0`.
        y1: See `x0`.
        width: Of the strip, in pixels.
        length: Of the strip, in pixels; only for the number of points.

    Returns:
        x and y, each `(points, n)`.
    """
    along = np.linspace(0, 1, max(2, int(np.ceil(length / 0.6)) + 1))[:, None, None]
    across = np.linspace(-0.5, 0.5, max(1, int(np.ceil(width / 0.6)) + 1))[None, :, None] * width
    dx, dy = x1 - x0, y1 - y0
    norm = np.maximum(np.hypot(dx, dy), 1e-12)
    x = x0 + along * dx - across * dy / norm
    y = y0 + along * dy + across * dx / norm
    return x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])

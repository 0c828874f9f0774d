"""A small folder of class folders, drawn: each class has a color and stripes of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def draw_images(root: Path, counts: dict[str, int], classes: int = 4, side: int = 64) -> Path:
    """Write `counts[part]` images for each class below `root/part` (the part `.` is the root itself); a bit wider than high."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, n in counts.items():
        for c in range(classes):
            folder = root / part / f"class{c}"
            folder.mkdir(parents=True)
            for i in range(n):
                picture = np.zeros((side, side + 8, 3))
                picture[..., c % 3] = 120 + 40 * (c // 3)
                picture[:: c + 2] += 60
                picture += rng.normal(0, 20, picture.shape)
                Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{i:03d}.{'png' if i % 2 else 'jpg'}")
    return root

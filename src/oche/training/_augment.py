"""Random crops, flips and colors of a batch of images, on tensors of any device.

The result depends on the batch and the generator only. Works on raw pixels, before normalization: the border of a crop is black, or what
one says. Only `cutout` works on normalized inputs, so that what it cuts out is the mean of the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from oche.errors import ArgumentError
from oche.training._auto_augment import auto_augment

#: Share of the area and ratio of the sides of a random resized crop, and tries to draw one that fits.
_AREA, _RATIO, _TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10

#: Largest change of brightness, contrast and saturation as factors, and of hue as a share of the circle.
_JITTER, _HUE = 0.4, 0.2


def augment(
    x: Tensor,
    parts: Iterable[str],
    generator: torch.Generator,
    crop_padding: int = 4,
    whole: tuple[int, int] | None = None,
    border: int = 0,
) -> Tensor:
    """Crop, flip and color each image at random.

    Args:
        x: Images, `(batch, channels, height, width)`.
        parts: Any of `crop` (a border of `crop_padding` pixels, then a window of the old size), `flip` (left to right with
            probability 1/2), `jitter` (brightness, contrast and saturation by factors from 0.6 to 1.4, hue by up to a fifth of the circle
            either way; of RGB images) and `autoaugment` (one of 25 pairs of operations for each image), applied in this order. A
            `resized-crop` is taken before, see `resized_crops`.
        generator: Source of randomness, on the CPU.
        crop_padding: Width of the border, in pixels.
        whole: If `x` is a part of a batch: the position of its first item there, and the items of the whole batch. The part gets what
            it would get in the whole.
        border: Value of the pixels of the border; 128 is the middle gray of the AutoAugment and sharpDARTS trainings.

    Raises:
        ArgumentError: the inputs are not images, or not RGB for `jitter`.

    Source: the common CIFAR augmentation (He et al. 2016); jitter as in the ImageNet training of DARTS, where the order of the four
    changes is drawn too.
    """
    wanted = tuple(parts)
    if not wanted:
        return x
    if x.ndim != 4:
        raise ArgumentError(f"augment: got inputs of shape {tuple(x.shape[1:])}; allowed: (channels, height, width); use augment='none'")
    start, n = whole or (0, len(x))
    mine = slice(start, start + len(x))
    if "crop" in wanted:
        corners = torch.randint(0, 2 * crop_padding + 1, (2, n), generator=generator)[:, mine]
        x = _crop(x, corners.to(x.device), crop_padding, border)
    if "flip" in wanted:
        chosen = torch.rand(n, generator=generator)[mine] < 0.5
        x = torch.where(chosen.to(x.device)[:, None, None, None], x.flip(-1), x)
    if "jitter" in wanted:
        if x.shape[1] != 3:
            raise ArgumentError(f"augment 'jitter': got images of {x.shape[1]} channels; allowed: 3, red, green and blue")
        draws = torch.rand(4, n, generator=generator)[:, mine]
        x = _jitter(x.float(), draws.to(x.device))
    if "autoaugment" in wanted:
        x = auto_augment(x, generator, (start, n))
    return x


def cutout(x: Tensor, side: int, generator: torch.Generator, whole: tuple[int, int] | None = None) -> Tensor:
    """Set one square of each image to zero; its middle is any pixel, and what lies outside of the image is cut off.

    Args:
        x: Normalized images, `(batch, channels, height, width)`.
        side: Of the square, in pixels, from 1; rows and columns from the middle minus half of it.
        generator: Source of randomness, on the CPU.
        whole: As in `augment`.

    Raises:
        ArgumentError: the inputs are not images, or the side is below 1.

    Source: DeVries and Taylor 2017; 16 pixels in the CIFAR trainings of DARTS and its followers.
    """
    if x.ndim != 4:
        raise ArgumentError(f"cutout: got inputs of shape {tuple(x.shape[1:])}; allowed: (channels, height, width); use cutout=0")
    if side < 1:
        raise ArgumentError(f"cutout: got a side of {side}; allowed: a whole number from 1")
    start, n = whole or (0, len(x))
    cut = []
    for size in x.shape[2:]:
        first = torch.randint(size, (n,), generator=generator)[start : start + len(x), None] - side // 2
        places = torch.arange(size)
        cut.append(((places >= first) & (places < first + side)).to(x.device))
    return x.masked_fill((cut[0][:, :, None] & cut[1][:, None, :])[:, None], 0)


def crop_draws(generator: torch.Generator, n: int) -> NDArray[np.float64]:
    """What `box` needs for n images, `(n, tries, 4)` numbers in [0, 1)."""
    return torch.rand(n, _TRIES, 4, generator=generator, dtype=torch.float64).numpy()


def box(height: int, width: int, draws: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """A random part of an image: top, left, height, width.

    Its area is a share of the image's, uniform in [0.08, 1], and its ratio of width to height log-uniform in [3/4, 4/3]. Where none of
    the tries fits into the image: the largest part in its middle with a ratio in that range.

    Args:
        height: Of the image, in pixels.
        width: As height.
        draws: Of this image, see `crop_draws`.

    Source: Szegedy et al. 2015, in the form that is common in PyTorch.
    """
    low, high = math.log(_RATIO[0]), math.log(_RATIO[1])
    for share, slant, down, right in draws:
        area = height * width * (_AREA[0] + (_AREA[1] - _AREA[0]) * share)
        ratio = math.exp(low + (high - low) * slant)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
    h, w = height, width
    if width / height < _RATIO[0]:
        h = round(width / _RATIO[0])
    elif width / height > _RATIO[1]:
        w = round(height * _RATIO[1])
    return (height - h) // 2, (width - w) // 2, h, w


def resized_crops(x: Tensor, draws: NDArray[np.float64]) -> Tensor:
    """A random part of each image, resized to the size of the whole; see `box`. Returns the type of `x`.

    Args:
        x: Images in memory, `(batch, channels, height, width)`.
        draws: For each image, see `crop_draws`.
    """
    if x.ndim != 4:
        raise ArgumentError(f"augment: got inputs of shape {tuple(x.shape[1:])}; allowed: (channels, height, width); use augment='none'")
    size = (x.shape[2], x.shape[3])
    parts = []
    for image, numbers in zip(x, draws, strict=True):
        top, left, h, w = box(*size, numbers)
        part = image[None, :, top : top + h, left : left + w].float()
        parts.append(F.interpolate(part, size, mode="bilinear", align_corners=False, antialias=True))
    found = torch.cat(parts)
    return found.round_().clamp_(0, 255).to(x.dtype) if x.dtype == torch.uint8 else found


def _crop(x: Tensor, corners: Tensor, padding: int, border: int) -> Tensor:
    n, _, height, width = x.shape
    padded = F.pad(x, (padding,) * 4, value=border)
    rows = corners[0][:, None] + torch.arange(height, device=x.device)
    columns = corners[1][:, None] + torch.arange(width, device=x.device)
    items = torch.arange(n, device=x.device)[:, None, None]
    # Index arrays around a slice put the channels last.
    return padded[items, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _jitter(x: Tensor, draws: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue of pixels from 0 to 255, `draws` in [0, 1) by change and image."""
    factors = (1 - _JITTER + 2 * _JITTER * draws[:3])[:, :, None, None, None]
    x = (x * factors[0]).clamp(0, 255)
    x = _blend(x, _gray(x).mean((1, 2, 3), keepdim=True), factors[1])
    x = _blend(x, _gray(x), factors[2])
    return _turn_hue(x, (2 * draws[3] - 1) * _HUE)


def _blend(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * x + (1 - factor) * other).clamp(0, 255)


def _gray(x: Tensor) -> Tensor:
    # ITU-R 601-2 luma.
    weights = torch.tensor([0.299, 0.587, 0.114], device=x.device, dtype=x.dtype)[None, :, None, None]
    return (x * weights).sum(1, keepdim=True)


def _turn_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Hue moved by a share of the circle; value and saturation (of HSV) stay."""
    high, low = x.amax(1), x.amin(1)
    chroma = high - low
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    red, green, blue = x.unbind(1)
    hue = torch.where(high == red, (green - blue) / safe, torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe))
    hue = (hue / 6 + turns[:, None, None]) % 1.0
    # Each channel as a function of hue: high, less chroma times a clipped triangle wave.
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + 6 * hue) % 6.0
        channels.append(high - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)

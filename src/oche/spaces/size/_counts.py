"""Numbers of weights and multiply-adds of members of the size space, in closed form.

    params = 3*9*c0 + 2*c0 + cells and reductions + 2*c + c*K + K,      c the last width, K classes
    cell(a, b)      = 2 (9 a b + 2 b) + 3 (9 b^2 + 2 b) + [a != b] (a b + 2 b)
    reduction(a, b) = 9 a b + 2 b + 9 b^2 + 2 b + a b

Multiply-adds are those of the convolutions at each side of the image, and of the classifier. The "flop" of the benchmark, in millions, is
(multiply-adds + K) / 1e6. Source: Dong et al. 2021 (NATS-Bench), networks of the size space; the formulas are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oche.errors import ArgumentError


def size_params(widths: Sequence[int], classes: int = 10, in_channels: int = 3) -> int:
    """Number of weights.

    Args:
        widths: 3 N + 2 widths, five for the benchmark.
        classes: Number of classes.
        in_channels: Channels of the image.
    """
    first, last = widths[0], widths[-1]
    total = 9 * in_channels * first + 2 * first + 2 * last + last * classes + classes
    for a, b, reduces in layers(widths):
        if reduces:
            total += 9 * a * b + 2 * b + 9 * b * b + 2 * b + a * b
        else:
            total += 2 * (9 * a * b + 2 * b) + 3 * (9 * b * b + 2 * b) + (a != b) * (a * b + 2 * b)
    return total


def size_macs(widths: Sequence[int], side: int = 32, classes: int = 10, in_channels: int = 3) -> int:
    """Multiply-adds for one image.

    Args:
        widths: 3 N + 2 widths, five for the benchmark.
        side: Height and width of the image.
        classes: Number of classes.
        in_channels: Channels of the image.
    """
    total = side * side * 9 * in_channels * widths[0] + widths[-1] * classes
    for a, b, reduces in layers(widths):
        if reduces:
            side = -(-side // 2)
            total += side * side * (10 * a * b + 9 * b * b)
        else:
            total += side * side * (18 * a * b + 27 * b * b + (a != b) * a * b)
    return total


def layers(widths: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """The blocks behind the stem: (channels in, channels out, whether it is a reduction).

    Raises:
        ArgumentError: the number of widths is not 3 N + 2 with N from 1.
    """
    n, rest = divmod(len(widths) - 2, 3)
    if n < 1 or rest:
        raise ArgumentError(f"size space: got {len(widths)} widths; allowed: 3 N + 2 of them for N cells in a stage, so 5, 8, 11, ...")
    before = widths[0]
    for i, width in enumerate(widths):
        yield before, width, i in (n, 2 * n + 1)
        before = width

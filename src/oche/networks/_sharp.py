"""Blocks of sharpDARTS: a separable convolution of two layers with a free middle width, and a pool that can change the width.

Source: Hundt et al. 2019 (sharpDARTS) and the authors' code.
"""

from __future__ import annotations

from torch import Tensor, nn

from oche.errors import ArgumentError


class SharpSepConv(nn.Sequential):
    """Two separable convolutions with a middle width of their own; stride and dilation are in the first depthwise layer only.

    ReLU, depthwise (kernel, stride, dilation), 1x1 to the middle, norm, ReLU, depthwise (kernel), 1x1 to the output, norm; no biases.
    Weights: `k^2 c_in + c_in mid + k^2 mid + mid c_out`, and `2 mid + 2 c_out` if affine.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of both depthwise kernels, odd.
        stride: Of the first layer; the output has `ceil(height / stride)` rows.
        dilation: Of the first depthwise kernel.
        affine: Whether norms have a scale and a shift.
        mid_multiplier: Middle width as a multiple of `out_channels`.
        mid: Middle width itself; overrules the multiple.

    Raises:
        ArgumentError: a size is not allowed.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        affine: bool = True,
        mid_multiplier: float = 1,
        mid: int | None = None,
    ) -> None:
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ArgumentError(f"kernel_size: got {kernel_size!r}; allowed: an odd number, so that the output is centered on the input")
        if mid is not None and (isinstance(mid, bool) or not isinstance(mid, int)):
            raise ArgumentError(f"mid: got {mid!r}; allowed: a whole number from 1, or None for out_channels * mid_multiplier")
        middle = int(out_channels * mid_multiplier) if mid is None else mid
        if middle < 1:
            what, given = ("mid", mid) if mid is not None else ("mid_multiplier", mid_multiplier)
            raise ArgumentError(f"{what}: got {given!r}; allowed: what gives a middle width of at least 1")
        wide, near = dilation * (kernel_size // 2), kernel_size // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, in_channels, kernel_size, stride, wide, dilation, groups=in_channels, bias=False),
            nn.Conv2d(in_channels, middle, 1, bias=False),
            nn.BatchNorm2d(middle, affine=affine),
            nn.ReLU(),
            nn.Conv2d(middle, middle, kernel_size, padding=near, groups=middle, bias=False),
            nn.Conv2d(middle, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )
        self.in_channels, self.out_channels, self.mid = in_channels, out_channels, middle


class ResizablePool(nn.Module):
    """A pool; if the width changes, followed by a 1x1 convolution and a norm.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the window, odd.
        stride: Of the window.
        kind: `max`, or `avg`; a mean counts the zeros around the image, as in the authors' code.
        affine: Whether the norm has a scale and a shift.

    Raises:
        ArgumentError: the kind or the kernel is not allowed.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, kind: str = "max", affine: bool = True
    ) -> None:
        if kind not in ("max", "avg"):
            raise ArgumentError(f"kind: got {kind!r}; allowed: 'max', 'avg'")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ArgumentError(f"kernel_size: got {kernel_size!r}; allowed: an odd number, so that the output is centered on the input")
        super().__init__()
        pool = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
        self.pool = pool(kernel_size, stride, padding=kernel_size // 2)
        self.fit: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.fit = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels, eps=1e-3, affine=affine)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Features `(batch, out_channels, ceil(height / stride), ceil(width / stride))`."""
        return self.fit(self.pool(x))

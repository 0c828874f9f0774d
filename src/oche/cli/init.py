"""`oche init`: write a file with a searchable program, and say how to run it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError

TEMPLATE = '''"""A small image network with four choices in it.

Search it:                oche search {file}:Net --algorithm regularized-evolution --data digits --budget trials=12 --out out/
The same as a supernet:   oche search {file}:Net --algorithm darts --data digits --out out-darts/
How large is it?          oche space {file}:Net
Use what was found:       oche child predict out/best.pt --program {file}:Net --data digits
"""

import torch.nn as nn

import oche

OPS = {{
    "conv3": lambda channels: nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)),
    "conv1": lambda channels: nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)),
    "pool": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
    "skip": lambda channels: nn.Identity(),
}}


class Net(nn.Module):
    """An ordinary network: each `oneof` becomes one of its candidates, or a mixture of all of them in a supernet."""

    def __init__(self, in_channels=1, channels=16, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*[oche.oneof(OPS, name=f"op{{i}}", channels=channels) for i in range(4)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, x):
        return self.head(self.body(self.stem(x)))
'''


def command(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("net.py"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Write a searchable file: an ordinary network with ten lines of choices in it.

    Example: oche init net.py
    """
    from oche.files import write_text

    out = Output(as_json, quiet)
    if path.suffix != ".py":
        raise ArgumentError(f"path: got {str(path)!r}; allowed: a name that ends in .py")
    if path.exists() and not force:
        raise ArgumentError(f"path: got {str(path)!r}, which exists; allowed: a new file; give another name or --force")
    write_text(path, TEMPLATE.format(file=path))
    commands = [
        f"oche space {path}:Net",
        f"oche search {path}:Net --algorithm regularized-evolution --data digits --budget trials=12 --out out/",
        f"oche search {path}:Net --algorithm darts --data digits --out out-darts/",
    ]
    out.result({"path": str(path), "program": f"{path}:Net", "next": commands}, f"wrote {path}")
    out.say("next:")
    for line in commands:
        out.say(f"  {line}")

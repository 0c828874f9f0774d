"""Which operations the edges of a DARTS cell may take: the published space, and the four of RobustDARTS in which DARTS fails.

    darts   the eight of Liu et al. 2019, `none` only in the mixture
    s1      two for each edge: what was left of the published space after the least important ones were dropped again and again
    s2      skip_connect, sep_conv_3x3
    s3      none, skip_connect, sep_conv_3x3
    s4      noise, sep_conv_3x3
    s5      the eight without `none`

and of sharpDARTS, whose convolutions all have two layers, so that the choice between them is a fair one:

    darts-ssc      the eight, each convolution a sharp separable one
    sharpdarts     nine of 3x3: with a wide (flood) and with a narrow (choke) middle
    sharperdarts   twelve

Source: Zela et al. 2020 (RobustDARTS), section 3 and the authors' table of S1; `s5` is the space of GM-NAS, Hu et al. 2022; the last three
are of Hundt et al. 2019 (sharpDARTS) and the authors' code, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError, unknown
from oche.loop.registry import canonical
from oche.networks import CELL_OPS, DARTS_OPS, sharp_ops
from oche.networks._sharp_ops import CHOKE, SharpOp
from oche.spaces.darts.cells import EDGES, KINDS

#: What an edge may take, by label; the factories take the arguments that `oche.networks.DARTS_OPS` describes.
Ops = Mapping[str, Callable[..., Any]]

_SHORT = {
    "mp": "max_pool_3x3",
    "ap": "avg_pool_3x3",
    "sk": "skip_connect",
    "s3": "sep_conv_3x3",
    "d3": "dil_conv_3x3",
    "d5": "dil_conv_5x5",
}
# Rows by node; in a row the inputs in rising order.
_S1 = {
    "normal": "sk+d3 sk+d5  sk+d5 sk+s3 sk+d3  mp+sk sk+s3 sk+s3 sk+d3  sk+s3 mp+sk sk+d3 d3+d5 d3+d5",
    "reduce": "mp+ap mp+d3  mp+ap mp+ap sk+d5  mp+ap mp+s3 sk+d3 sk+d5  mp+ap mp+ap sk+d5 sk+d5 sk+d5",
}
_EQUAL = {
    "darts": tuple(DARTS_OPS),
    "s2": ("skip_connect", "sep_conv_3x3"),
    "s3": ("none", "skip_connect", "sep_conv_3x3"),
    "s4": ("noise", "sep_conv_3x3"),
    "s5": tuple(op for op in DARTS_OPS if op != "none"),
}

_SHARP = {
    "darts-ssc": tuple(DARTS_OPS),
    "sharpdarts": (
        "none",
        "max_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "dil_conv_3x3",
        "flood_conv_3x3",
        "dil_flood_conv_3x3",
        "choke_conv_3x3",
        "dil_choke_conv_3x3",
    ),
    "sharperdarts": (
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "flood_conv_3x3",
        "flood_conv_5x5",
        "dil_flood_conv_3x3",
    ),
}

#: Names of the tables.
TABLES = ("darts", "s1", "s2", "s3", "s4", "s5", "darts-ssc", "sharpdarts", "sharperdarts")


def is_sharp(ops: Any) -> bool:
    """Whether a table is one of those whose convolutions are sharp separable ones."""
    if isinstance(ops, Mapping):
        return bool(ops) and all(isinstance(op, SharpOp) for op in ops.values())
    return isinstance(ops, str) and canonical(ops) in map(canonical, _SHARP)


def dictionary(ops: Any, mid: int) -> Ops:
    """What the names of operations stand for where a table is in use.

    Args:
        ops: As in `op_table`.
        mid: Middle width of choke convolutions.
    """
    return sharp_ops(mid) if is_sharp(ops) else CELL_OPS


def op_table(ops: str | Sequence[str] | Ops, mid: int = CHOKE) -> dict[tuple[str, int, int], Ops]:
    """Operations by (kind, node, input).

    Args:
        ops: Name of a table; or the names of operations that all edges may take; or their factories by label.
        mid: Middle width of choke convolutions.

    Raises:
        UnknownNameError: no such table, or no such operation.
        ArgumentError: there are no operations.
    """
    if isinstance(ops, str) and canonical(ops) == "s1":
        rows = {kind: [tuple(_SHORT[op] for op in cell.split("+")) for cell in text.split()] for kind, text in _S1.items()}
        return {(kind, *edge): _named(row) for kind in KINDS for edge, row in zip(EDGES, rows[kind], strict=True)}
    if isinstance(ops, str) and is_sharp(ops):
        made = sharp_ops(mid)
        found = next(value for name, value in _SHARP.items() if canonical(name) == canonical(ops))
        ops = {name: made[name] for name in found}
    elif isinstance(ops, str):
        found = next((value for name, value in _EQUAL.items() if canonical(name) == canonical(ops)), None)
        if found is None:
            raise unknown("table of operations", ops, TABLES)
        ops = found
    equal = dict(ops) if isinstance(ops, Mapping) else _named(ops)
    if not equal:
        raise ArgumentError("ops: got no operations; allowed: at least one")
    return {(kind, *edge): equal for kind in KINDS for edge in EDGES}


def _named(names: Sequence[str]) -> Ops:
    for name in names:
        if name not in CELL_OPS:
            raise unknown("operation", str(name), CELL_OPS)
    return {name: CELL_OPS[name] for name in names}

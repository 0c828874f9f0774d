"""Genotypes: cells of the DARTS family in the field's own text form, read and written, and the published ones by name.

    Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ...], normal_concat=[2, 3, 4, 5], reduce=[...], reduce_concat=[2, 3, 4, 5])

States 0 and 1 are the inputs of a cell; node 2 + i is the sum of pairs 2i and 2i + 1, each an operation and the state that it reads; the
output is the concatenation of the listed states. Text is parsed and never run. Nothing here builds a network.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from oche.errors import ArgumentError, nearest, unknown
from oche.loop.registry import canonical

#: (operation, state)
Pair = tuple[str, int]

#: Operations that genotypes may name.
KNOWN_OPS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "sep_conv_7x7",
    "conv_7x1_1x7",
    "noise",
    "flood_conv_3x3",
    "flood_conv_5x5",
    "dil_flood_conv_3x3",
    "dil_flood_conv_5x5",
    "choke_conv_3x3",
    "dil_choke_conv_3x3",
)

_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


@dataclass(frozen=True)
class Genotype:
    """A normal and a reduction cell.

    Args:
        normal: Two pairs for each node, in the order of the nodes.
        normal_concat: States that make up the output.
        reduce: As `normal`, for the cell that halves height and width.
        reduce_concat: As `normal_concat`.

    Raises:
        ArgumentError: an odd number of pairs, a state that does not exist yet, or an empty or impossible output.

    Example:
        >>> print(Genotype([("skip_connect", 0), ("none", 1)], [2], [("none", 0), ("max_pool_3x3", 1)], [2]))
        Genotype(normal=[('skip_connect', 0), ('none', 1)], normal_concat=[2], reduce=[('none', 0), ('max_pool_3x3', 1)], reduce_concat=[2])
    """

    normal: Sequence[Pair]
    normal_concat: Sequence[int]
    reduce: Sequence[Pair]
    reduce_concat: Sequence[int]

    def __post_init__(self) -> None:
        for kind in ("normal", "reduce"):
            pairs = tuple((str(op), int(state)) for op, state in getattr(self, kind))
            concat = tuple(int(state) for state in getattr(self, f"{kind}_concat"))
            object.__setattr__(self, kind, pairs)
            object.__setattr__(self, f"{kind}_concat", concat)
            _check_cell(kind, pairs, concat)

    def cell(self, kind: str) -> tuple[tuple[Pair, ...], tuple[int, ...]]:
        """Pairs and output states of the `normal` or the `reduce` cell."""
        return tuple(getattr(self, kind)), tuple(getattr(self, f"{kind}_concat"))

    def nodes(self, kind: str) -> tuple[tuple[Pair, Pair], ...]:
        """The two pairs of each node of a cell."""
        pairs = self.cell(kind)[0]
        return tuple((pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2))

    def check_ops(self, known: Iterable[str] = KNOWN_OPS) -> None:
        """Raise `ArgumentError` for an operation that is not known; the message names the cell, the node and those that are."""
        allowed = tuple(known)
        for kind in ("normal", "reduce"):
            for i, (op, _) in enumerate(self.cell(kind)[0]):
                if op not in allowed:
                    close = nearest(op, allowed)
                    advice = f"; did you mean {close!r}?" if close else ""
                    raise ArgumentError(
                        f"genotype, {kind}, node {2 + i // 2}: got unknown operation {op!r}; allowed: {', '.join(allowed)}{advice}"
                    )

    def count(self, op: str, kind: str = "normal") -> int:
        """How often an operation stands in a cell."""
        return sum(name == op for name, _ in self.cell(kind)[0])

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={list(getattr(self, name))!r}" for name in _FIELDS)
        return f"Genotype({shown})"


def genotype(given: str | Genotype) -> Genotype:
    """A genotype from its name, from its text, or as it is.

    Args:
        given: A published name such as `PC_DARTS_CIFAR` (case, `-` and `_` do not count), or the text form.

    Raises:
        UnknownNameError: no genotype of this name.
        ArgumentError: the text is no genotype; the message says where.
    """
    if isinstance(given, Genotype):
        return given
    if not isinstance(given, str):
        raise ArgumentError(f"genotype: got {given!r}; allowed: a name ({', '.join(GENOTYPES)}), the text form, or a Genotype")
    if "(" in given or "=" in given:
        return parse(given)
    found = next((value for name, value in GENOTYPES.items() if canonical(name) == canonical(given)), None)
    if found is None:
        raise unknown("genotype", given, GENOTYPES)
    return found


def parse(text: str) -> Genotype:
    """Read the text form; `range(2, 6)` may stand for a list of states.

    Raises:
        ArgumentError: it is none, or a pair is not one; the message says where.
    """
    example = "allowed: Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=[2, 3, 4, 5], reduce=[...], reduce_concat=[2, 3, 4, 5])"
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ArgumentError(f"genotype: got {_short(text)!r}, which cannot be read ({error}); {example}") from None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.func.id != "Genotype":
        raise ArgumentError(f"genotype: got {_short(text)!r}; {example}")
    values: dict[str, Any] = {}
    named = [*zip(_FIELDS, tree.args, strict=False), *((keyword.arg, keyword.value) for keyword in tree.keywords)]
    for name, node in named:
        if name in _FIELDS:
            values[str(name)] = _value(name, node)
    missing = [name for name in _FIELDS if name not in values]
    if missing:
        raise ArgumentError(f"genotype: got no {missing[0]} in {_short(text)!r}; {example}")
    for kind in ("normal", "reduce"):
        for pair in values[kind]:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not isinstance(pair[0], str) or not _is_state(pair[1]):
                raise ArgumentError(f"genotype, {kind}: got {pair!r}; allowed: pairs such as ('sep_conv_3x3', 1)")
    return Genotype(*(values[name] for name in _FIELDS))


def _value(name: str, node: ast.expr) -> list[Any]:
    """A list of a tree of literals: lists, tuples, texts, whole numbers, and ranges."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id in ("list", "tuple") and len(node.args) == 1:
            return _value(name, node.args[0])
        bounds = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, int)]
        if node.func.id == "range" and len(bounds) == len(node.args) and 1 <= len(bounds) <= 2 and 0 <= min(bounds) <= max(bounds) <= 64:
            return list(range(*bounds))
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        value = None
    if not isinstance(value, (list, tuple)) or (name.endswith("concat") and not all(_is_state(state) for state in value)):
        raise ArgumentError(f"genotype, {name}: got {_short(ast.unparse(node))!r}; allowed: a list{' of states' * name.endswith('concat')}")
    return list(value)


def _is_state(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_cell(kind: str, pairs: Sequence[Pair], concat: Sequence[int]) -> None:
    if not pairs or len(pairs) % 2:
        raise ArgumentError(f"genotype, {kind}: got {len(pairs)} pairs; allowed: two for each node")
    for i, (op, state) in enumerate(pairs):
        node = 2 + i // 2
        if not 0 <= state < node:
            raise ArgumentError(f"genotype, {kind}, node {node}: got input {state} of {op!r}; allowed: 0 to {node - 1}, earlier states")
    last = 1 + len(pairs) // 2
    if not concat or any(not 0 <= state <= last for state in concat):
        raise ArgumentError(f"genotype, {kind}_concat: got {list(concat)}; allowed: at least one of the states 0 to {last}")


def _short(text: str, length: int = 80) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


_SHORT = {
    "mp": "max_pool_3x3",
    "ap": "avg_pool_3x3",
    "sk": "skip_connect",
    "s3": "sep_conv_3x3",
    "s5": "sep_conv_5x5",
    "s7": "sep_conv_7x7",
    "d3": "dil_conv_3x3",
    "d5": "dil_conv_5x5",
    "f7": "conv_7x1_1x7",
    "f3": "flood_conv_3x3",
    "f5": "flood_conv_5x5",
    "df3": "dil_flood_conv_3x3",
    "df5": "dil_flood_conv_5x5",
    "c3": "choke_conv_3x3",
    "dc3": "dil_choke_conv_3x3",
}


def short(found: Genotype) -> str:
    """A genotype in few words: `s3 0 s3 1 | sk 0 d3 1 | ... ; mp 0 mp 1 | ...`, the normal cell first."""
    names = {op: name for name, op in _SHORT.items()}
    cells = []
    for kind in ("normal", "reduce"):
        cells.append(" | ".join(" ".join(f"{names.get(op, op)} {state}" for op, state in pairs) for pairs in found.nodes(kind)))
    return " ; ".join(cells)


_FOUR = (2, 3, 4, 5)


def _published(normal: str, reduce: str, normal_concat: Sequence[int] = _FOUR, reduce_concat: Sequence[int] = _FOUR) -> Genotype:
    return Genotype(_pairs(normal), normal_concat, _pairs(reduce), reduce_concat)


def _pairs(text: str) -> list[Pair]:
    words = text.replace("|", ",").split(",")
    return [(_SHORT[op], int(state)) for op, state in (word.split() for word in words)]


#: Published genotypes by name. Sources: the files `genotypes.py` of the authors' repositories of DARTS (the first four), PC-DARTS,
#: P-DARTS and sharpDARTS; SNAS as listed by the authors of PC-DARTS. NASNet-A and AmoebaNet-A are cells of larger spaces. In those with
#: SHARP in their names a `dil_conv` has two layers: their networks are built by `oche.spaces.network("sharpdarts", ...)`.
GENOTYPES: dict[str, Genotype] = {
    "NASNet": _published(
        "s5 1, s3 0 | s5 0, s3 0 | ap 1, sk 0 | ap 0, ap 0 | s3 1, sk 1",
        "s5 1, s7 0 | mp 1, s7 0 | ap 1, s5 0 | sk 3, ap 2 | s3 2, mp 1",
        (2, 3, 4, 5, 6),
        (4, 5, 6),
    ),
    "AmoebaNet": _published(
        "ap 0, mp 1 | s3 0, s5 2 | s3 0, ap 3 | s3 1, sk 1 | sk 0, ap 1",
        "ap 0, s3 1 | mp 0, s7 2 | s7 0, ap 1 | mp 0, mp 1 | f7 0, s3 5",
        (4, 5, 6),
        (3, 4, 6),
    ),
    "DARTS_V1": _published("s3 1, s3 0 | sk 0, s3 1 | sk 0, s3 1 | s3 0, sk 2", "mp 0, mp 1 | sk 2, mp 0 | mp 0, sk 2 | sk 2, ap 0"),
    "DARTS_V2": _published("s3 0, s3 1 | s3 0, s3 1 | s3 1, sk 0 | sk 0, d3 2", "mp 0, mp 1 | sk 2, mp 1 | mp 0, sk 2 | sk 2, mp 1"),
    "PC_DARTS_CIFAR": _published("s3 1, sk 0 | s3 0, d3 1 | s5 0, s3 1 | ap 0, d3 1", "s5 1, mp 0 | s5 1, s5 2 | s3 0, s3 3 | s3 1, s3 2"),
    "PC_DARTS_IMAGE": _published("sk 1, s3 0 | s3 0, sk 1 | s3 1, s3 3 | s3 1, d5 4", "s3 0, sk 1 | d5 2, mp 1 | s3 2, s3 1 | s5 0, s3 3"),
    "PDARTS": _published("sk 0, d3 1 | sk 0, s3 1 | s3 1, s3 3 | s3 0, d5 4", "ap 0, s5 1 | s3 0, d5 2 | mp 0, d3 1 | d3 1, d5 3"),
    "SNAS": _published("s3 0, s3 1 | sk 0, d3 1 | sk 1, sk 0 | sk 0, s3 1", "mp 0, mp 1 | mp 1, sk 2 | sk 2, mp 1 | mp 0, d5 2"),
    "SHARPSEPCONV_DARTS": _published(
        "s3 0, s3 1 | s3 0, s3 2 | sk 0, s3 1 | sk 0, s3 1", "mp 0, sk 1 | sk 2, ap 0 | sk 2, ap 0 | sk 2, sk 3"
    ),
    "SHARP_DARTS": _published("c3 0, c3 1 | sk 0, c3 1 | sk 0, sk 1 | sk 0, sk 1", "mp 0, sk 1 | mp 0, sk 2 | mp 0, sk 2 | sk 2, f3 0"),
    "SHARPSEPCONV_DARTS_MAX_W": _published(
        "d3 0, d5 1 | s3 2, d5 1 | ap 2, s3 0 | ap 4, mp 3", "mp 0, sk 1 | s5 0, sk 2 | s5 0, d5 3 | s5 4, sk 3"
    ),
    "SHARP_DARTS_MAX_W": _published(
        "s3 0, c3 1 | sk 0, d3 2 | df3 3, f3 0 | df3 0, f3 3", "mp 0, sk 1 | dc3 0, df3 2 | d3 0, sk 3 | f3 0, sk 3"
    ),
}

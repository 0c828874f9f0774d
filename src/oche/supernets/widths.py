"""Elastic whole numbers: what a supernet gives a program in place of a choice between whole numbers.

A `Width` is an `int` with the largest value that it can take, and remembers what it is under every decision. Sums, differences, products
and whole quotients are widths again; a sum keeps its terms apart, because concatenated features keep their blocks. Comparisons answer
only where the answer is the same under every decision; anything else would build a network that no child is.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from oche.errors import NotRelaxable
from oche.supernets.drawn import Slot
from oche.supernets.relaxed import extracted


@dataclass(frozen=True)
class Block:
    """One term of a width.

    Args:
        keys: Keys of the decisions that it depends on; none for a constant.
        labels: Labels of each key.
        sizes: Its size under each combination of labels, the last key fastest.
        names: Where the decisions stand, for messages.
    """

    keys: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    sizes: tuple[int, ...]
    names: tuple[str, ...] = ()

    @property
    def largest(self) -> int:
        """The largest size."""
        return max(self.sizes)

    @property
    def combos(self) -> tuple[tuple[int, ...], ...]:
        """Indices of labels, one tuple for each entry of `sizes`."""
        return tuple(itertools.product(*(range(len(options)) for options in self.labels)))

    @property
    def slot(self) -> Slot:
        """The block as a place of a supernet, for gates."""
        names = tuple(",".join(o[c] for o, c in zip(self.labels, combo, strict=True)) for combo in self.combos)
        return Slot(self.keys[0], self.names[0], names, keys=self.keys, combos=self.combos)

    def under(self, decisions: Mapping[str, Any]) -> int:
        """The largest size that is left once some decisions allow only some labels (a label, or several)."""
        allowed = [_allowed(options, decisions.get(key)) for key, options in zip(self.keys, self.labels, strict=True)]
        return max(s for s, combo in zip(self.sizes, self.combos, strict=True) if all(c in a for c, a in zip(combo, allowed, strict=True)))


class Width(int):
    """A whole number that depends on decisions; as an `int` it is the largest."""

    blocks: tuple[Block, ...]

    def __new__(cls, blocks: tuple[Block, ...]) -> Width:
        """Sum of blocks."""
        made = super().__new__(cls, sum(block.largest for block in blocks))
        made.blocks = blocks
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return (Width, (self.blocks,))

    def __copy__(self) -> Width:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> int:
        decisions = extracted()
        return self if decisions is None else self.under(decisions)

    def under(self, decisions: Mapping[str, Any]) -> int:
        """The value under some decisions."""
        return sum(block.under(decisions) for block in self.blocks)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the decisions that it depends on."""
        return tuple(dict.fromkeys(key for block in self.blocks for key in block.keys))

    @property
    def place(self) -> str:
        """The decisions as messages name them."""
        pairs = dict(pair for block in self.blocks for pair in zip(block.keys, block.names, strict=True))
        return " and ".join(repr(k) if k == place else f"{k!r} at {place!r}" for k, place in pairs.items())

    def table(self) -> Block:
        """The whole width as one block."""
        return self.blocks[0] if len(self.blocks) == 1 else _join(self.blocks, lambda *sizes: sum(sizes))

    @property
    def coincides(self) -> bool:
        """Whether all terms are at their largest under one decision. Otherwise the network has more channels than any child."""
        return int(self) == self.table().largest

    # -- arithmetic ---------------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        return self._terms(self, other)

    def __radd__(self, other: Any) -> Any:
        return self if type(other) is int and other == 0 else self._terms(other, self)

    def __mul__(self, other: Any) -> Any:
        if type(other) is int and other > 0:
            return Width(tuple(_join((block,), lambda size: size * other) for block in self.blocks))
        return self._calculate("*", operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __sub__(self, other: Any) -> Any:
        return self._calculate("-", operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._calculate("-", operator.sub, other, self)

    def __floordiv__(self, other: Any) -> Any:
        # Layers divide by groups=1; the terms of a sum stay apart.
        return self if type(other) is int and other == 1 else self._calculate("//", operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._calculate("//", operator.floordiv, other, self)

    def __mod__(self, other: Any) -> Any:
        return self._calculate("%", operator.mod, self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._calculate("%", operator.mod, other, self)

    def __truediv__(self, other: Any) -> NoReturn:
        self._refuse("/", other)

    def __rtruediv__(self, other: Any) -> NoReturn:
        self._refuse("/", other)

    def __pow__(self, other: Any, modulo: Any = None) -> NoReturn:
        self._refuse("**", other)

    def __rpow__(self, other: Any, modulo: Any = None) -> NoReturn:
        self._refuse("**", other)

    def __neg__(self) -> Any:
        return 0 - self

    def _terms(self, first: Any, second: Any) -> Any:
        if not _is_whole(first) or not _is_whole(second):
            self._refuse("+", second if first is self else first)
        if any(type(v) is int and v <= 0 for v in (first, second)):
            return self._calculate("+", operator.add, first, second)
        return Width((*_blocks(first), *_blocks(second)))

    def _calculate(self, sign: str, function: Callable[[int, int], int], first: Any, second: Any) -> Any:
        if not _is_whole(first) or not _is_whole(second):
            self._refuse(sign, second if first is self else first)
        joined = _join((_table(first), _table(second)), function)
        return joined.sizes[0] if len(set(joined.sizes)) == 1 else Width((joined,))

    def _refuse(self, sign: str, other: Any) -> NoReturn:
        raise NotRelaxable(
            f"choice {self.place}: got {sign} with {other!r}; allowed in a supernet: + - * // % with whole numbers, which stay elastic; "
            "write c // 2 in place of c / 2 or int(c * 0.5), or decide it with space.fix(...)"
        )

    # -- comparisons --------------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return self._compare("==", operator.eq, other)

    def __ne__(self, other: object) -> bool:
        return self._compare("!=", operator.ne, other)

    def __lt__(self, other: Any) -> bool:
        return self._compare("<", operator.lt, other)

    def __le__(self, other: Any) -> bool:
        return self._compare("<=", operator.le, other)

    def __gt__(self, other: Any) -> bool:
        return self._compare(">", operator.gt, other)

    def __ge__(self, other: Any) -> bool:
        return self._compare(">=", operator.ge, other)

    def __bool__(self) -> bool:
        return self._compare("!=", operator.ne, 0)

    def __hash__(self) -> int:
        return int.__hash__(self)

    def _compare(self, sign: str, function: Callable[[Any, Any], bool], other: Any) -> bool:
        if not _is_whole(other):
            return bool(function(int(self), other))
        found = {bool(v) for v in _join((self.table(), _table(other)), function).sizes}
        if len(found) > 1:
            raise NotRelaxable(
                f"choice {self.place}: got a comparison {sign} {int(other)} that holds for some of its values only; allowed in a supernet: "
                "programs whose parts do not depend on a width; make the part a choice of its own, or decide it with space.fix(...)"
            )
        return found.pop()


def width(key: str, location: str, labels: tuple[str, ...], sizes: tuple[int, ...]) -> Width:
    """The width of one choice."""
    return Width((Block((key,), (labels,), sizes, (location,)),))


def equality(first: int, second: int) -> Block:
    """1 where two whole numbers are equal and 0 where they are not, under every combination of their decisions."""
    return _join((_table(first), _table(second)), lambda a, b: int(a == b))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _blocks(value: int) -> tuple[Block, ...]:
    return value.blocks if isinstance(value, Width) else (Block((), (), (value,)),)


def _table(value: int) -> Block:
    return value.table() if isinstance(value, Width) else Block((), (), (value,))


def _join(blocks: tuple[Block, ...], function: Callable[..., Any]) -> Block:
    """A function of blocks, under every combination of all their decisions."""
    labels: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    for block in blocks:
        labels.update(zip(block.keys, block.labels, strict=True))
        names.update(zip(block.keys, block.names, strict=True))
    sizes = []
    for combo in itertools.product(*labels.values()):
        chosen = dict(zip(labels, combo, strict=True))
        sizes.append(function(*(block.under(chosen) for block in blocks)))
    return Block(tuple(labels), tuple(labels.values()), tuple(sizes), tuple(names.values()))


def _allowed(options: tuple[str, ...], decision: Any) -> set[int]:
    if decision is None:
        return set(range(len(options)))
    chosen = (decision,) if isinstance(decision, str) else tuple(decision)
    return {i for i, label in enumerate(options) if label in chosen}

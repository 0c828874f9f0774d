"""Whether two trees mean the same: structure first, then exact rationals, then sixty digits. Pure, and bounded in time.

The answer is yes, no, or None where these means do not decide; a worker process then asks SymPy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from oche.rejection.graders import _words
from oche.rejection.graders._evaluate import NoValue, exact, numeric, symbols
from oche.rejection.graders._parse import Tree

_DIGITS = 60
_AGREE = 1e-30
_FLIP = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_OPEN = {"<": True, ">": True, "<=": False, ">=": False}
_INFINITE = ("constant", "oo")
_MINUS_INFINITE = ("neg", _INFINITE)
_COLLECTIONS = {"list", "set", "tuple", "interval", "union", "matrix", "relation"}
#: Longer collections are matched only in the order that they stand in: pairing costs their square.
_MAX_ITEMS = 60

Same = bool | None


def same(a: Tree, b: Tree, warnings: list[str] | None = None) -> Same:
    """Whether `a` and `b` are equal: yes, no, or None for not decided here.

    Args:
        a: Tree of one answer.
        b: Tree of the other; the order does not matter.
        warnings: Policies that were needed are added here.

    Raises:
        TooLarge: a value is beyond the size that is computed.
    """
    a, b = _equation(a, b), _equation(b, a)
    return _same(_canonical(a), _canonical(b), [] if warnings is None else warnings)


def _equation(tree: Tree, other: Tree) -> Tree:
    """`y = 2x` stays an equation beside another equation; elsewhere its head goes."""
    named = tree[0] == "assign" and tree[1] and not tree[1].endswith("()")
    return ("relation", "=", ("symbol", tree[1]), tree[2]) if named and other[0] == "relation" else tree


def _canonical(tree: Tree) -> Tree:
    r"""Without heads such as `n =`; inequalities as intervals; vectors as tuples; `a \pm b` as two values."""
    kind = tree[0]
    if kind == "assign":
        return _canonical(tree[2])
    if kind == "in":
        return _canonical(tree[2])
    if kind == "unit" and tree[1][0] == "assign":
        return _canonical(("unit", tree[1][2], tree[2]))
    if kind == "relation":
        return _solved(tree)
    if kind == "matrix" and (len(tree) == 2 or all(len(row) == 1 for row in tree[1:])):
        return ("tuple", *(_canonical(item) for row in tree[1:] for item in row))
    if kind == "list":
        return _list(tree)
    if kind == "union":
        return ("union", *(_as_interval(_canonical(part)) for part in tree[1:]))
    if kind not in _COLLECTIONS and _contains(tree, "pm"):
        low, high = _expand(tree, "neg"), _expand(tree, "pos")
        return ("list", low, high)
    return tree


def _list(tree: Tree) -> Tree:
    names = [item[1] for item in tree[1:] if item[0] == "assign" and item[1]]
    if len(names) == len(tree) - 1 == len(set(names)) > 1:
        # x = 1, y = 2: which is which counts, in whatever order they stand.
        return ("named", *sorted((item[1], _canonical(item[2])) for item in tree[1:]))
    items: list[Tree] = []
    for item in tree[1:]:
        found = _canonical(item)
        items += found[1:] if found[0] == "list" else [found]
    if len(items) > 1 and all(i[0] in ("interval", "union") for i in items):
        return ("union", *(part for i in items for part in (i[1:] if i[0] == "union" else [i])))
    return ("list", *items)


def _contains(tree: Any, kind: str) -> bool:
    return isinstance(tree, tuple) and (tree[:1] == (kind,) or any(_contains(part, kind) for part in tree))


def _expand(tree: Any, sign: str) -> Any:
    if not isinstance(tree, tuple):
        return tree
    if tree[:1] == ("pm",):
        right = _expand(tree[2], sign)
        right = ("neg", right) if sign == "neg" else right
        return right if tree[1] is None else ("add", _expand(tree[1], sign), right)
    return tuple(_expand(part, sign) for part in tree)


def _solved(tree: Tree) -> Tree:
    operator = tree[1]
    if operator == "chain":
        low, first, middle, second, high = tree[2:]
        if middle[0] != "symbol":
            return tree
        if first in (">", ">="):
            low, first, second, high = high, _FLIP[second], _FLIP[first], low
        return ("interval", low, high, _OPEN[first], _OPEN[second])
    left, right = tree[2], tree[3]
    if right[0] == "symbol" and left[0] != "symbol":
        left, right, operator = right, left, _FLIP[operator]
    if left[0] != "symbol" or symbols(right):
        return ("relation", operator, left, right)
    if operator in ("<", "<="):
        return ("interval", _MINUS_INFINITE, right, True, _OPEN[operator])
    if operator in (">", ">="):
        return ("interval", right, _INFINITE, _OPEN[operator], True)
    if operator == "!=":
        return ("union", ("interval", _MINUS_INFINITE, right, True, True), ("interval", right, _INFINITE, True, True))
    return tree


def _as_interval(tree: Tree) -> Tree:
    return ("interval", tree[1], tree[2], True, True) if tree[0] == "tuple" and len(tree) == 3 else tree


def _same(a: Tree, b: Tree, warnings: list[str]) -> Same:
    if a == b:
        return True
    if a[0] == "text" or b[0] == "text":
        return a[0] == b[0] and _words.plain(a[1]) == _words.plain(b[1])
    if a[0] in ("interval", "union") and b[0] == "tuple":
        b = _as_interval(b)
    elif b[0] in ("interval", "union") and a[0] == "tuple":
        a = _as_interval(a)
    kinds = {a[0], b[0]}
    if "named" in kinds:
        return _named(a, b, warnings)
    if kinds == {"interval"}:
        if a[3:] != b[3:] and _edges(a) != _edges(b):
            return False
        return _every([_scalar(a[1], b[1], warnings), _scalar(a[2], b[2], warnings)])
    if kinds == {"matrix"}:
        if [len(r) for r in a[1:]] != [len(r) for r in b[1:]]:
            return False
        return _every(same(x, y, warnings) for r, s in zip(a[1:], b[1:], strict=True) for x, y in zip(r, s, strict=True))
    if kinds == {"relation"}:
        return _relations(a, b, warnings)
    if kinds <= {"tuple", "list", "set", "union", "interval"} and kinds - {"interval"}:
        return _collections(a, b, warnings)
    if kinds & _COLLECTIONS:
        return _one(a, b, warnings)
    return _scalar(a, b, warnings)


def _edges(tree: Tree) -> tuple[bool, bool]:
    # Nobody reaches infinity: how a bracket there is written says nothing.
    return (tree[3] or tree[1] == _MINUS_INFINITE, tree[4] or tree[2] == _INFINITE)


def _one(a: Tree, b: Tree, warnings: list[str]) -> Same:
    """A collection of one item beside that item."""
    for left, right in ((a, b), (b, a)):
        if left[0] in ("list", "set", "union") and len(left) == 2:
            return same(left[1], right, warnings)
    return False


def _collections(a: Tree, b: Tree, warnings: list[str]) -> Same:
    ordered = {a[0], b[0]} in ({"tuple"}, {"tuple", "list"})
    if {a[0], b[0]} == {"tuple", "set"} or ("union" in (a[0], b[0]) and {a[0], b[0]} != {"union"}):
        return _one(a, b, warnings)
    left, right = list(a[1:]), list(b[1:])
    if ordered:
        if len(left) != len(right):
            return False
        return _every(same(x, y, warnings) for x, y in zip(left, right, strict=True))
    return _matched(left, right, lambda x, y: same(x, y, warnings))


def _named(a: Tree, b: Tree, warnings: list[str]) -> Same:
    if a[0] == b[0] == "named":
        if [n for n, _ in a[1:]] != [n for n, _ in b[1:]]:
            return False
        return _every(_same(x, y, warnings) for (_, x), (_, y) in zip(a[1:], b[1:], strict=True))
    named, other = (a, b) if a[0] == "named" else (b, a)
    # `x = 1, y = 2` beside `(1, 2)`: in the order of the names.
    return _collections(("tuple", *(value for _, value in named[1:])), other, warnings) if other[0] in ("tuple", "list") else False


def _every(found: Any) -> Same:
    undecided = False
    for verdict in found:
        if verdict is False:
            return False
        undecided |= verdict is None
    return None if undecided else True


def _matched(left: Sequence[Tree], right: Sequence[Tree], equal: Callable[[Tree, Tree], Same]) -> Same:
    """Whether two collections hold the same, in any order; what stands twice counts once."""
    if max(len(left), len(right)) > _MAX_ITEMS:
        return len(left) == len(right) and _every(equal(x, y) for x, y in zip(left, right, strict=True))
    undecided = False
    for one, other in ((left, right), (right, left)):
        for x in one:
            verdicts = [equal(x, y) for y in other]
            if True not in verdicts:
                if None not in verdicts:
                    return False
                undecided = True
    return None if undecided else True


def _relations(a: Tree, b: Tree, warnings: list[str]) -> Same:
    if "chain" in (a[1], b[1]):
        return (
            a[1] == b[1]
            and len(a) == len(b)
            and _every(x == y if isinstance(x, str) else _scalar(x, y, warnings) for x, y in zip(a[2:], b[2:], strict=True))
        )
    if a[1] not in (b[1], _FLIP[b[1]]):
        return False
    ratio = _constant_ratio(("add", a[2], ("neg", a[3])), ("add", b[2], ("neg", b[3])))
    if ratio is None or ratio is False:
        return ratio if ratio is None else False
    return True if a[1] in ("=", "!=") else (ratio == (1 if a[1] == b[1] else -1))


def _constant_ratio(a: Tree, b: Tree) -> Any:
    """The sign of a / b if it is the same real number at every point, False if it is not, None if unknown."""
    found: list[Any] = []
    from mpmath import mp

    with mp.workdps(_DIGITS):
        for point in _points(a, b):
            try:
                low = numeric(b, point, mp)
                if low == 0:
                    continue
                found.append(numeric(a, point, mp) / low)
            except (NoValue, ZeroDivisionError, ValueError, OverflowError):
                continue
        if not found:
            return None
        if any(abs(f - found[0]) > _AGREE * abs(found[0]) for f in found) or found[0] == 0 or mp.im(found[0]) != 0:
            return False
        return 1 if mp.re(found[0]) > 0 else -1


def _scalar(a: Tree, b: Tree, warnings: list[str]) -> Same:
    a, first = _unit(a)
    b, second = _unit(b)
    if first and second and first != second:
        return False
    if bool(first) != bool(second):
        warnings.append(f"unit {first or second!r} stands on one side only")
    if {a[0], b[0]} & (_COLLECTIONS | {"named"}):
        return _same(a, b, warnings)
    if a[0] == "based" or b[0] == "based":
        return _based(a, b)
    if (a[0] == "percent") != (b[0] == "percent"):
        # 25 % beside 25: the sign was dropped; beside 0.25: it was worked out. Both are the answer.
        signed, bare = (a, b) if a[0] == "percent" else (b, a)
        for reading, said in ((signed, "worked out"), (signed[1], "dropped")):
            if _equal(reading, bare):
                warnings.append(f"percent sign was {said}")
                return True
        return False
    return _equal(a, b)


def _unit(tree: Tree) -> tuple[Tree, str]:
    if tree[0] == "unit":
        return _unit(tree[1])[0], _words.unit(tree[2])
    if tree[0] == "neg" and tree[1][0] == "unit":
        return ("neg", tree[1][1]), _words.unit(tree[1][2])
    return tree, ""


def _based(a: Tree, b: Tree) -> Same:
    """Numbers in another base: equal as written, or if only one side names the base."""
    digits = [t[1] if t[0] == "based" else t for t in (a, b)]
    bases = [t[2] if t[0] == "based" else None for t in (a, b)]
    return digits[0] == digits[1] and (bases[0] == bases[1] or None in bases)


def _equal(a: Tree, b: Tree) -> Same:
    """Equality of two expressions with one value each."""
    if a == b:
        return True
    if _INFINITE in (a, b) or _MINUS_INFINITE in (a, b):
        return False
    left, right = _rational(a), _rational(b)
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    if "none" in (left, right):
        return None
    return _by_digits(a, b)


def _rational(tree: Tree) -> Fraction | str | None:
    try:
        return exact(tree)
    except NoValue:
        return "none"


def _by_digits(a: Tree, b: Tree) -> Same:
    from mpmath import mp

    agreed = 0
    with mp.workdps(_DIGITS):
        real: list[bool] = []
        for point in _points(a, b):
            try:
                x, y = numeric(a, point, mp), numeric(b, point, mp)
            except (NoValue, ZeroDivisionError, ValueError, OverflowError):
                continue
            is_real = all(abs(mp.im(v)) <= _AGREE * (abs(v) + 1) for v in (x, y))
            close = abs(x - y) <= _AGREE * max(abs(x), abs(y)) or max(abs(x), abs(y)) < mp.mpf(10) ** -50
            if is_real and not close:
                return False
            real.append(is_real)
            agreed += close
        if not real:
            return None
        # Where no point gives real values on both sides, complex ones have to agree; else the real ones have.
        return True if any(real) else agreed == len(real)


def _points(a: Tree, b: Tree) -> list[dict[str, Any]]:
    """Where two expressions are compared: none is special, two have positive values only, one has negative ones only."""
    from mpmath import mp

    names = sorted(symbols(a) | symbols(b))
    if not names:
        return [{}]
    signs = ((1, 1), (1, 1), (-1, -1), (1, -1))
    points = []
    for j, pair in enumerate(signs):
        scale = (1, 3, 1, 2)[j]
        values = (
            ((k + 1) * Fraction(7548776662, 10**10) + j * Fraction(5698402909, 10**10)) % 1 + Fraction(3, 10) for k in itertools.count()
        )
        points.append(
            {n: mp.mpf(v.numerator) / v.denominator * scale * pair[k % 2] for k, (n, v) in enumerate(zip(names, values, strict=False))}
        )
    return points

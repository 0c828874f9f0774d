"""Values of trees: exact rationals where that is cheap, many digits of mpmath where not. Sizes are bounded before any arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from oche.rejection.graders._parse import Tree

#: Bits of an exact number; more are compared by their logarithm in a worker or not at all.
MAX_BITS = 200_000
_MAX_FACTORIAL = 3000


class TooLarge(ArithmeticError):
    """A value is beyond the size that is computed."""


class NoValue(ArithmeticError):
    """The tree has no number as its value here: division by zero, a set, an unknown name."""


def exact(tree: Tree) -> Fraction | None:
    """The value as a rational, or None if the tree is not made of rational operations.

    Raises:
        TooLarge: a power or factorial beyond the bounds.
        NoValue: division by zero.
    """
    kind = tree[0]
    if kind == "number":
        return tree[1]
    if kind in ("add", "mul", "div"):
        left, right = exact(tree[1]), exact(tree[2])
        return None if left is None or right is None else _arithmetic(kind, left, right)
    if kind in ("neg", "percent", "abs", "factorial"):
        value = exact(tree[1])
        if value is None:
            return None
        if kind == "factorial":
            return _factorial(value)
        return {"neg": -value, "percent": value / 100, "abs": abs(value)}[kind]
    if kind == "pow":
        base, exponent = exact(tree[1]), exact(tree[2])
        return _power(base, exponent) if base is not None and exponent is not None else None
    if kind == "root":
        return _root(tree)
    if kind == "binom":
        n, k = exact(tree[1]), exact(tree[2])
        if n is None or k is None or n.denominator != 1 or k.denominator != 1:
            return None
        if abs(n) > 10_000:
            raise TooLarge("binomial")
        return Fraction(math.comb(int(n), int(k))) if n >= 0 and k >= 0 else None
    return None


def _arithmetic(kind: str, left: Fraction, right: Fraction) -> Fraction:
    if _bits(left) + _bits(right) > MAX_BITS:
        raise TooLarge("number")
    if kind == "add":
        return left + right
    if kind == "mul":
        return left * right
    if right == 0:
        raise NoValue("division by zero")
    return left / right


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _factorial(value: Fraction) -> Fraction:
    if value.denominator != 1 or value < 0:
        raise NoValue("factorial")
    if value > _MAX_FACTORIAL:
        raise TooLarge("factorial")
    return Fraction(math.factorial(int(value)))


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        return None
    if base == 0 and exponent < 0:
        raise NoValue("division by zero")
    if base in (0, 1) or base == -1:
        return Fraction(1 if base == 1 or exponent == 0 or (base == -1 and exponent.numerator % 2 == 0) else base)
    if abs(exponent) > MAX_BITS or _bits(base) * abs(int(exponent)) > MAX_BITS:
        raise TooLarge("power")
    return base ** int(exponent)


def _root(tree: Tree) -> Fraction | None:
    degree = Fraction(2) if tree[1] is None else exact(tree[1])
    value = exact(tree[2])
    if degree != 2 or value is None or value < 0 or _bits(value) > 4000:
        return None
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    return Fraction(top, bottom) if top * top == value.numerator and bottom * bottom == value.denominator else None


def symbols(tree: Any) -> set[str]:
    """Names of the variables in a tree."""
    if not isinstance(tree, tuple):
        return set()
    if tree[:1] == ("symbol",):
        return {tree[1]}
    return set().union(*(symbols(part) for part in tree)) if tree else set()


def numeric(tree: Tree, at: Mapping[str, Any], mp: Any) -> Any:
    """The value in the arithmetic of `mp` (a context of mpmath, or `FLOATS`), with variables from `at`.

    Raises:
        TooLarge: a value beyond the bounds.
        NoValue: there is none.
    """
    kind = tree[0]
    if kind == "number":
        return mp.mpf(tree[1].numerator) / mp.mpf(tree[1].denominator)
    if kind == "symbol":
        return at[tree[1]]
    if kind == "constant":
        if tree[1] == "oo":
            raise NoValue("infinity")
        return {"pi": mp.pi, "e": mp.e, "i": mp.mpc(0, 1)}[tree[1]] * 1
    if kind in ("call", "log"):
        return _function(tree, at, mp)
    if kind == "root":
        degree = mp.mpf(2) if tree[1] is None else numeric(tree[1], at, mp)
        value = numeric(tree[2], at, mp)
        if degree == 3 and mp.im(value) == 0 and mp.re(value) < 0:
            return -mp.power(-value, mp.mpf(1) / 3)
        return mp.sqrt(value) if tree[1] is None else mp.power(value, 1 / degree)
    if kind == "unit":
        # A unit of the whole answer was taken off before; inside, degrees are an angle.
        value = numeric(tree[1], at, mp)
        return value * mp.pi / 180 if tree[2] == "degree" else value
    parts = [numeric(part, at, mp) for part in tree[1:] if part is not None]
    return _operation(kind, parts, mp)


def _operation(kind: str, parts: list[Any], mp: Any) -> Any:
    if kind == "add":
        return parts[0] + parts[1]
    if kind == "mul":
        return parts[0] * parts[1]
    if kind == "div":
        if parts[1] == 0:
            raise NoValue("division by zero")
        return parts[0] / parts[1]
    if kind == "neg":
        return -parts[0]
    if kind == "percent":
        return parts[0] / 100
    if kind == "abs":
        return abs(parts[0])
    if kind in ("floor", "ceil"):
        return mp.floor(parts[0]) if kind == "floor" else mp.ceil(parts[0])
    if kind == "factorial":
        if mp.im(parts[0]) != 0 or abs(parts[0]) > 1e6:
            raise TooLarge("factorial")
        return mp.gamma(parts[0] + 1)
    if kind == "binom":
        if any(abs(p) > 1e6 for p in parts):
            raise TooLarge("binomial")
        return mp.binomial(parts[0], parts[1])
    if kind == "pow":
        base, exponent = parts
        if base == 0:
            if mp.re(exponent) <= 0 and exponent != 0:
                raise NoValue("division by zero")
            return base * 0 + (1 if exponent == 0 else 0)
        size = abs(exponent) * (1 + abs(mp.log(abs(base))))
        if not size < 1e7:
            raise TooLarge("power")
        return mp.power(base, exponent)
    raise NoValue(kind)


def _function(tree: Tree, at: Mapping[str, Any], mp: Any) -> Any:
    if tree[0] == "log":
        value = numeric(tree[2], at, mp)
        if value == 0:
            raise NoValue("logarithm of zero")
        if tree[1] is None:
            return mp.log(value)
        base = mp.log(numeric(tree[1], at, mp))
        if base == 0:
            raise NoValue("logarithm to base 1")
        return mp.log(value) / base
    value = numeric(tree[2], at, mp)
    name = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ln": "log"}.get(str(tree[1]), str(tree[1]))
    if name == "log" and value == 0:
        raise NoValue("logarithm of zero")
    if abs(value) > 1e5:
        raise TooLarge("argument of a function")
    if not hasattr(mp, name):
        raise NoValue(f"function {name!r}")
    return getattr(mp, name)(value)

"""Operands with `=`, `<` and the like between them to a tree: what is a relation, and what only names a value."""

from __future__ import annotations

from typing import Any

from oche.rejection.graders._tokens import Unreadable

Tree = tuple[Any, ...]
OPERATORS = {
    "=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=", "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=",
    "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "approx": "=", "equiv": "=",
}  # fmt: skip


def relation(chain: list[Any]) -> Tree:
    """The tree of operands with operators between them: a relation, or an assignment where a name or a value is all that is said.

    Raises:
        Unreadable: a chain whose operators do not point one way.
    """
    operators = chain[1::2]
    if all(o == "=" for o in operators):
        # A = B = C says that the value is C; a head such as `n =` or `f(x) =` is a name.
        name, value = chain[-3], chain[-1]
        if len(chain) > 3:
            return ("assign", "", value)
        if name[0] == "symbol":
            return ("assign", name[1], value)
        if name[0] == "mul" and name[1][0] == "symbol" and name[2][0] in ("symbol", "number"):
            return ("assign", f"{name[1][1]}()", value) if _is_function(name[1][1]) else ("relation", "=", name, value)
        return ("relation", "=", name, value) if _has_symbol(name) or _has_symbol(value) else ("assign", "", value)
    return ("relation", *_pairs(chain))


def _pairs(chain: list[Any]) -> Tree:
    if len(chain) == 3:
        return (chain[1], chain[0], chain[2])
    if (len(chain) == 5 and {chain[1], chain[3]} <= {"<", "<="}) or (len(chain) == 5 and {chain[1], chain[3]} <= {">", ">="}):
        return ("chain", *chain)
    raise Unreadable("chain of relations")


def _is_function(name: str) -> bool:
    return name.rstrip("'") in ("f", "g", "h", "F", "G", "H", "P", "Q", "p", "q", "a", "T", "S")


def _has_symbol(tree: Any) -> bool:
    return isinstance(tree, tuple) and (tree[:1] == ("symbol",) or any(_has_symbol(part) for part in tree))

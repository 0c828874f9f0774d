"""Tokens to a tree of plain tuples: a parser of our own, so that nothing that was read is ever executed.

Nodes are `(kind, ...)`:
`number` Fraction; `symbol` name; `constant` pi, e, i, oo; `add`, `mul` (two children); `neg`, `factorial`, `percent`, `abs`;
`pow` base, exponent; `div`; `call` function, argument; `log` base, argument; `binom`; `floor`; `ceil`; `pm` (left, right; left may be
None).
Above those: `list`, `set`, `tuple` (children), `interval` (left, right, left open, right open), `union`, `matrix` (rows),
`relation` (operator, left, right), `assign` (name, value), `in` (symbol, set), `unit` (value, text), `text` (words).
Limits on depth hold here; limits on the size of values in `_evaluate`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from oche.rejection.graders._cursor import Cursor
from oche.rejection.graders._relations import OPERATORS, Tree, relation
from oche.rejection.graders._tokens import Token, Unreadable, tokens

_MAX_DEPTH = 40
_FUNCTIONS = {
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "coth", "exp", "ln",
}  # fmt: skip
_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota",
    "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega", "ell",
}  # fmt: skip
_TIMES = {"*", "cdot", "times"}
_OVER = {"/", "div", ":"}
_INFINITY = {"infinity", "inf", "infty"}
# Commands that stand beside a factor as another one.
_BESIDE = (
    _GREEK | _FUNCTIONS | _INFINITY | {"frac", "dfrac", "tfrac", "sqrt", "pi", "log", "lg", "binom", "dbinom", "begin", "lfloor", "lceil"}
)


def parse(text: str, separate: bool = False) -> Tree:
    """The tree of a normalized answer.

    Args:
        text: LaTeX or plain.
        separate: `1,234` is two numbers.

    Raises:
        Unreadable: it is not mathematics that this parser knows, or too large.
    """
    parser = _Parser(tokens(text, separate))
    return parser.whole()


class _Parser(Cursor):
    """Recursive descent over a list of tokens."""

    def whole(self) -> Tree:
        items = self.items()
        if self.now.kind != "end":
            raise Unreadable(f"left over at {self.now.text!r}")
        return items[0] if len(items) == 1 else ("list", *items)

    def items(self) -> list[Tree]:
        found = [self.item()]
        while self.accept(",", ";", "and", "or") or self._word("and", "or"):
            self.accept("and", "or")
            if self.now.kind == "end":
                break
            found.append(self.item())
        return found

    def _word(self, *words: str) -> bool:
        if self.now.kind == "text" and self.now.text.lower() in words:
            self.take()
            return True
        return False

    def item(self) -> Tree:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable(f"nested deeper than {_MAX_DEPTH}")
        first = self.union()
        chain: list[Any] = [first]
        while (token := self.now).kind in ("sign", "command") and token.text in OPERATORS:
            self.take()
            chain += [OPERATORS[token.text], self.union()]
        self.depth -= 1
        if len(chain) > 1:
            return relation(chain)
        if self.accept("in"):
            return ("in", first, self.union())
        return first

    def union(self) -> Tree:
        parts = [self.sum()]
        while self.accept("cup", "union") or (self.sees("U") and parts[-1][0] in ("interval", "tuple", "bracket") and self.take()):
            parts.append(self.sum())
        return parts[0] if len(parts) == 1 else ("union", *parts)

    def sum(self) -> Tree:
        if self.accept("pm", "mp"):
            left: Tree = ("pm", None, self.product())
        elif self.accept("-"):
            left = ("neg", self.product())
        else:
            self.accept("+")
            left = self.product()
        while token := self.accept("+", "-", "pm", "mp"):
            right = self.product()
            left = ("pm", left, right) if token.text in ("pm", "mp") else ("add", left, right if token.text == "+" else ("neg", right))
        return left

    def product(self) -> Tree:
        left = self.signed()
        while True:
            if self.now.kind != "text" and self.now.text in _TIMES:
                self.take()
                left = ("mul", left, self.signed())
            elif self.now.kind != "text" and self.now.text in _OVER:
                self.take()
                left = ("div", left, self.signed())
            elif self._juxtaposed():
                left = self._beside(left)
            elif self.now.kind == "text" and self.now.text.lower() not in ("and", "or"):
                words = []
                while self.now.kind == "text" and self.now.text.lower() not in ("and", "or"):
                    words.append(self.take().text)
                    if self.accept("^"):
                        words.append("^" + str(self.group()[1]))
                left = ("unit", left, " ".join(words).strip())
            else:
                return left

    def _juxtaposed(self) -> bool:
        token = self.now
        if token.kind in ("number", "name"):
            return token.text not in ("and", "or", "union") and not (token.text == "U" and self.ahead().text in ("(", "["))
        if token.kind == "command":
            return token.text in _BESIDE
        return token.text in ("(", "{") or (token.text == "|" and not self.bars)

    def _beside(self, left: Tree) -> Tree:
        """Two things side by side: a mixed number or a product."""
        if left[0] == "number" and left[1].denominator == 1 and self._fraction_ahead():
            right = self.signed()
            if right[0] == "number" and self.accept("/"):
                right = ("div", right, self.signed())
            return ("add", left, right)
        if left[0] == "number" and self.now.kind == "number":
            raise Unreadable("two numbers side by side")
        right = self.power()
        if right[0] == "tuple":
            raise Unreadable("a function that is not known")
        return ("mul", left, right)

    def _fraction_ahead(self) -> bool:
        if self.now.kind == "command" and self.now.text in ("frac", "dfrac", "tfrac"):
            body = [t.text for t in self.tokens[self.at + 1 : self.at + 7]]
            braced = len(body) == 6 and body[0] == "{" and body[1].isdigit() and body[2:4] == ["}", "{"] and body[4].isdigit()
            return braced and int(body[1]) < int(body[4])
        plain = self.now.kind == "number" and self.now.spaced and self.ahead().text == "/" and self.ahead(2).kind == "number"
        return plain and "." not in self.now.text

    def signed(self) -> Tree:
        if self.accept("-"):
            return ("neg", self.signed())
        self.accept("+")
        return self.power()

    def power(self) -> Tree:
        base = self.postfix(self.atom())
        while self.sees("^", "**"):
            self.take()
            if self.accept("circ", "°"):
                base = ("unit", base, "degree")
                continue
            if self.sees("{") and self.ahead().text == "circ" and self.ahead(2).text == "}":
                self.at += 3
                base = ("unit", base, "degree")
                continue
            base = self.postfix(("pow", base, self.group()))
        return base

    def postfix(self, base: Tree) -> Tree:
        while True:
            if self.accept("!"):
                base = ("factorial", base)
            elif self.accept("%"):
                base = ("percent", base)
            elif self.accept("°", "circ"):
                base = ("unit", base, "degree")
            elif self.accept("_"):
                sub = self.group()
                if base[0] != "symbol" or sub[0] not in ("number", "symbol"):
                    if base[0] == "number" and sub[0] == "number":
                        # A number in another base: its digits are compared as they stand.
                        base = ("based", base, sub)
                        continue
                    raise Unreadable("subscript")
                base = ("symbol", f"{base[1]}_{sub[1]}")
            else:
                return base

    def group(self) -> Tree:
        """An argument of a command: braced, or one token (digit by digit, as TeX reads it)."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable(f"nested deeper than {_MAX_DEPTH}")
        try:
            if self.accept("{"):
                value = self.item()
                self.expect("}")
                return value
            if self.accept("-"):
                return ("neg", self.group())
            if (
                self.now.kind == "number"
                and len(self.now.text) > 1
                and self.tokens[self.at - 1].text in ("frac", "dfrac", "tfrac", "binom")
            ):
                return self._digit()
            return self.atom()
        finally:
            self.depth -= 1

    def _digit(self) -> Tree:
        token = self.now
        self.tokens = [*self.tokens[: self.at], Token("number", token.text[1:]), *self.tokens[self.at + 1 :]]
        return ("number", Fraction(token.text[0]))

    def atom(self) -> Tree:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable(f"nested deeper than {_MAX_DEPTH}")
        try:
            return self._atom()
        finally:
            self.depth -= 1

    def _atom(self) -> Tree:
        token = self.take()
        if token.kind == "number":
            return ("number", _number(token.text))
        if token.kind == "name":
            return self._named(token.text)
        if token.kind == "command":
            return self._command(token.text)
        if token.kind == "text":
            return ("text", token.text)
        if token.text in ("(", "["):
            return self._bracket(token.text)
        if token.text == "{":
            value = self.items()
            self.expect("}")
            return value[0] if len(value) == 1 else ("set", *value)
        if token.text == "|":
            self.bars += 1
            value = self.sum()
            self.expect("|")
            self.bars -= 1
            return ("abs", value)
        raise Unreadable(f"unexpected {token.text!r}")

    def _bracket(self, left: str) -> Tree:
        outer, self.bars = self.bars, 0
        items = self.items()
        right = self.take()
        self.bars = outer
        if right.kind == "end" or right.text not in (")", "]"):
            raise Unreadable("bracket without end")
        if len(items) == 1:
            if left == "[" or right.text == "]":
                if left != "[" or right.text != "]":
                    raise Unreadable("brackets that do not fit")
                return ("tuple", items[0])
            return items[0]
        if len(items) == 2 and (left, right.text) != ("(", ")"):
            return ("interval", items[0], items[1], left == "(", right.text == ")")
        if len(items) == 2 and any(_infinite(item) for item in items):
            return ("interval", items[0], items[1], True, True)
        return ("tuple", *items)

    def _named(self, name: str) -> Tree:
        if name == "pi":
            return ("constant", "pi")
        if name in _INFINITY:
            return ("constant", "oo")
        if name in ("e", "i"):
            return ("constant", name)
        if name in _FUNCTIONS or name in ("log", "sqrt"):
            return self._command(name)
        if name in ("and", "or", "union", "binom"):
            raise Unreadable(f"word {name!r}")
        return ("symbol", name)

    def _command(self, name: str) -> Tree:
        if name in ("frac", "dfrac", "tfrac"):
            top = self.group()
            self._after()
            return ("div", top, self.group())
        if name in ("binom", "dbinom", "tbinom"):
            return ("binom", self.group(), self.group())
        if name == "sqrt":
            return self._root()
        if name == "pi":
            return ("constant", "pi")
        if name in _INFINITY:
            return ("constant", "oo")
        if name in ("emptyset", "varnothing"):
            return ("set",)
        if name in ("log", "lg"):
            base = self.group() if self.accept("_") else ("number", Fraction(10)) if name == "lg" else None
            return ("log", base, self._argument())
        if name in _FUNCTIONS:
            if self.accept("^"):
                exponent = self.group()
                if exponent == ("neg", ("number", Fraction(1))):
                    return ("call", "arc" + name, self._argument())
                return ("pow", ("call", name, self._argument()), exponent)
            return ("call", name, self._argument())
        if name in _GREEK:
            return ("symbol", name)
        if name == "{":
            if self.accept("}"):
                return ("set",)
            return self._set()
        if name in ("lfloor", "lceil"):
            value = self.sum()
            self.expect("r" + name[1:])
            return (name[1:], value)
        if name == "begin":
            return self._matrix()
        raise Unreadable(f"command {name!r}")

    def _set(self) -> Tree:
        """`{1, 2}`, or `{x | x < 2}`, which is what its condition says."""
        if self.now.kind == "name" and self.ahead().text in ("|", ":"):
            self.take()
            self.take()
        items = self.items()
        self.expect("}")
        if len(items) == 1 and items[0][0] in ("relation", "in"):
            return items[0]
        return ("list", *items) if all(i[0] == "relation" for i in items) else ("set", *items)

    def _after(self) -> None:
        # `\frac12`: the rest of a split number is the denominator; `\frac1{72}` needs nothing.
        if self.now.kind == "number" and len(self.now.text) > 1 and self.tokens[self.at - 1].text != "}":
            rest = self._digit()
            self.tokens = [*self.tokens[: self.at], Token("number", str(rest[1])), *self.tokens[self.at :]]

    def _root(self) -> Tree:
        degree: Tree | None = None
        if self.accept("["):
            degree = self.sum()
            self.expect("]")
        if self.now.kind == "sign" and self.now.text == "(":
            return ("root", degree, self.atom())
        return ("root", degree, self.group())

    def _argument(self) -> Tree:
        """What a function without braces takes: a bracket, or the product that follows (`sin 2x`)."""
        if self.sees("(", "{", "|"):
            return self.power() if not self.sees("(") else self.atom()
        value = self.power()
        while self._juxtaposed() and self.now.kind in ("number", "name", "command") and self.now.text not in _FUNCTIONS | {"log", "sqrt"}:
            value = ("mul", value, self.power())
        return value

    def _matrix(self) -> Tree:
        rows: list[Tree] = [(self.item(),)]
        while not self.accept("finish"):
            if self.accept("&"):
                rows[-1] = (*rows[-1], self.item())
            elif self.accept("\\"):
                if not self.sees("finish"):
                    rows.append((self.item(),))
            else:
                raise Unreadable("matrix")
        if len({len(row) for row in rows}) > 1:
            raise Unreadable("rows of unequal length")
        return ("matrix", *rows)


def _number(text: str) -> Fraction:
    mantissa, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > 400:
        raise Unreadable("exponent beyond 400")
    value = Fraction(mantissa.rstrip(".") or "0")
    return value * Fraction(10) ** int(exponent) if exponent else value


def _infinite(tree: Tree) -> bool:
    return tree == ("constant", "oo") or (tree[0] == "neg" and tree[1] == ("constant", "oo"))

"""Text of an answer, LaTeX or plain, to tokens. Nothing is executed, and what is too long is refused before anything else."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Longer answers are not mathematics that anyone compares; the longest reference of the known sets has 400 characters.
MAX_LENGTH = 2000
MAX_TOKENS = 800


class Unreadable(ValueError):
    """The text is not mathematics that the parser knows."""


@dataclass(frozen=True)
class Token:
    r"""One token: its kind, its text, whether white space stood before it.

    Kinds: `number`, `name` (a letter or a known word), `command` (LaTeX, without the backslash), `text` (body of `\\text{...}`),
    `sign` (anything else) and `end`.
    """

    kind: str
    text: str
    spaced: bool = False


_NAMES = (
    "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "coth", "sin", "cos", "tan", "cot", "sec", "csc", "log",
    "exp", "ln", "sqrt", "infinity", "inf", "infty", "pi", "theta", "alpha", "beta", "gamma", "lambda", "phi",
    "binom", "union", "or", "and",
)  # fmt: skip
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname\*?|hbox)\s*\{([^{}]*)\}")
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d.,]*\d)|\d+\.?\d*(?:[eE][+-]?\d+(?![a-zA-Z]))?|\.\d+)"
    r"|(?P<text>" + _TEXT.pattern.replace("([^{}]*)", "(?P<body>[^{}]*)") + r")"
    r"|(?P<begin>\\begin\s*\{[a-zA-Z]*(?:matrix|array)\}(?:\{[lcr|\s]*\})?)"
    r"|(?P<finish>\\end\s*\{[a-zA-Z]*(?:matrix|array)\})"
    r"|\\(?P<command>[a-zA-Z]+\*?|[{}|\\%$])"
    r"|(?P<name>" + "|".join(_NAMES) + r"|[A-Za-z])(?P<primes>'*)"
    r"|(?P<sign><=|>=|!=|\*\*|[-+*/^_=<>()\[\]{}|,;:!%&°])"
)
_UNICODE = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": r"\div ", "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ", "∪": r"\cup ",
    "∩": r"\cap ", "∈": r"\in ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "±": r"\pm ", "²": "^2", "³": "^3", "½": r"\frac{1}{2}",
    "θ": r"\theta ", "º": "°", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "\u00a0": " ", "’": "'",
}  # fmt: skip


def from_unicode(text: str) -> str:
    """Signs of Unicode as LaTeX."""
    for sign, latex in _UNICODE.items():
        text = text.replace(sign, latex)
    return text


def tokens(text: str, separate: bool = False) -> list[Token]:
    """Split `text`.

    Args:
        text: Normalized answer.
        separate: Commas separate always; else `1,234` is one number where no bracket is open.

    Raises:
        Unreadable: too long, or a sign or word that the parser does not know.
    """
    if len(text) > MAX_LENGTH:
        raise Unreadable(f"longer than {MAX_LENGTH} characters")
    found: list[Token] = []
    at, depth, spaced = 0, 0, False
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"unknown sign {text[at]!r}")
        kind = match.lastgroup if match.lastgroup not in ("body", "primes") else ("text" if match["text"] is not None else "name")
        value = match.group(kind or 0)
        at = match.end()
        if kind == "space":
            spaced = True
            continue
        if kind == "number" and "," in value and (depth or separate):
            value = value.partition(",")[0]
            at = match.start() + len(value)
        if kind in ("begin", "finish"):
            kind, value = "command", kind
        if kind == "text":
            value = (match["body"] or "").strip()
        if kind == "name" and len(value) == 1:
            _check_word(text, match.start(), found)
        if kind == "name":
            value += match["primes"] or ""
        depth += (value in "([" and kind == "sign") - (value in ")]" and kind == "sign") + (kind == "command" and value == "{")
        depth -= kind == "command" and value == "}"
        found.append(Token(kind or "sign", value.replace(",", "") if kind == "number" else value, spaced))
        spaced = False
        if len(found) > MAX_TOKENS:
            raise Unreadable(f"more than {MAX_TOKENS} tokens")
    found.append(Token("end", ""))
    return found


_WORD = re.compile(r"[A-Za-z]+")


def _check_word(text: str, at: int, before: list[Token]) -> None:
    if at and text[at - 1].isalpha():
        return
    word = _WORD.match(text, at)
    letters = word.group() if word else ""
    for name in _NAMES:
        letters = letters.replace(name, "")
    if len(letters) > 3 and not letters.isupper():
        raise Unreadable(f"word {letters!r}")

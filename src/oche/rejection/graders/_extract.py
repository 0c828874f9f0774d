r"""From a response to its final answer: pure, linear in the length of the text.

The last sign of an answer wins, in the order of how explicit it is: `\boxed{}`, `####`, "answer is". The reference evaluator cuts the
text at the last "herefore" first and so loses an answer that was given before it; we do not. Without any sign, a response that is
nothing but an answer is one; only the lenient mode goes on to guess the last formula or number.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*")
_SAYS = re.compile(r"(?:answer|ans\.?)\s*(?:\([^)]{0,40}\)\s*)?(?:is|:|=|equals)\s*:?|is (?:the|our|my) (?:final )?answer", re.IGNORECASE)
# A formula holds no start of another of its kind: so starts without an end are not read again and again.
_FORMULA = re.compile(
    r"\$\$(.{1,2000}?)\$\$|\$([^$\n]{1,2000})\$|\\\(((?:(?!\\\().){1,2000}?)\\\)|\\\[((?:(?!\\\[).){1,2000}?)\\\]", re.DOTALL
)
_NUMBER = re.compile(r"[-−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?%?|[-−]?\.\d+")
_SENTENCE = re.compile(r"(?<![A-Z])[.!?](?=\s+[A-Z\\$]|\s*$)|\n")
_COUNT = re.compile(r"^[-+]?\s*\\?\$?\s*(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(?:[a-zA-Z][a-zA-Z .]{0,40})?$")
#: What follows the last sign of an answer is read to this length.
_WINDOW = 4000


@dataclass(frozen=True)
class Found:
    """An answer and the sign that it was found by."""

    answer: str
    sign: str


def find(response: str, lenient: bool = False) -> Found | None:
    """The final answer as it was written.

    Args:
        response: Any text.
        lenient: Guess the last formula, then the last number, where nothing says what the answer is.
    """
    box = boxed(response)
    if box is not None:
        return Found(box, "boxed")
    at = response.rfind("####")
    if at >= 0:
        line = response[at + 4 : at + _WINDOW].strip().partition("\n")[0].strip()
        return Found(line, "####") if line else None
    said = _said(response)
    if said:
        return Found(said, "answer is")
    if _is_bare(response):
        return Found(response.strip(), "bare")
    if lenient:
        return _guess(response)
    return None


def extract_answer(text: str, lenient: bool = False) -> str | None:
    r"""The final answer in a response, or None.

    A count loses its noun and its commas: `1,234 dollars` gives `1234`.

    Args:
        text: The response.
        lenient: Guess the last formula or number where nothing says what the answer is.

    Example:
        >>> extract_answer(r"So \boxed{3}, or rather \boxed{\frac{1}{2}}.")
        '\\frac{1}{2}'
    """
    found = find(text, lenient)
    if found is None or not found.answer.strip():
        return None
    answer = found.answer.strip()
    count = _COUNT.match(answer)
    if count and ("," in count[1] or not answer.endswith(count[1])):
        sign = "-" if answer.startswith("-") else ""
        return sign + count[1].replace(",", "")
    return answer


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{...}` or `\boxed x`, braces matched; None without one. An end that is missing is accepted."""
    last = deque(_BOXED.finditer(text), maxlen=1)
    last = last[0] if last else None
    if last is None:
        return None
    rest = text[last.end() :]
    if not rest.startswith("{"):
        word = re.match(r"[^\s$,;]{1,200}", rest)
        return word.group().rstrip(".") if word else None
    depth = 0
    for at, sign in enumerate(rest):
        if sign in "{}" and not (at and rest[at - 1] == "\\" and (at < 2 or rest[at - 2] != "\\")):
            depth += 1 if sign == "{" else -1
            if depth == 0:
                return rest[1:at].strip()
    return rest[1:].strip().rstrip("$. ")


def _said(text: str) -> str:
    last = deque(_SAYS.finditer(text), maxlen=1)
    last = last[0] if last else None
    if last is None:
        return ""
    if last.group().lower().startswith("is "):
        before = text[max(0, last.start() - _WINDOW) : last.start()].strip()
        return _SENTENCE.split(before)[-1].strip(" ,") if before else ""
    after = text[last.end() : last.end() + _WINDOW].strip().lstrip("*: ")
    formula = _FORMULA.match(after)
    if formula:
        return next(g for g in formula.groups() if g is not None).strip()
    return _SENTENCE.split(after, maxsplit=1)[0].strip(" *,;:").removesuffix(".").strip()


def _is_bare(text: str) -> bool:
    """Whether the text is nothing but an answer: one line that the parser reads, or one known word."""
    from oche.rejection.graders import _words
    from oche.rejection.graders._normalize import normalize
    from oche.rejection.graders._parse import parse
    from oche.rejection.graders._tokens import Unreadable

    line = text.strip()
    if not line or len(line) > 400 or "\n" in line:
        return False
    normal = normalize(line)
    if _words.truth(normal) or _words.weekday(normal) or _words.number(normal) is not None:
        return True
    try:
        parse(normal)
    except Unreadable:
        return False
    return True


def _guess(text: str) -> Found | None:
    tail = text[-20 * _WINDOW :]
    formulas = list(_FORMULA.finditer(tail))
    if formulas:
        return Found(next(g for g in formulas[-1].groups() if g is not None).strip(), "last formula")
    numbers = _NUMBER.findall(tail)
    return Found(numbers[-1], "last number") if numbers else None

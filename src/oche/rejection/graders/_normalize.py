"""An answer as text to its normal form as text: what is only layout goes. Pure; nothing is parsed here."""

from __future__ import annotations

import re

from oche.rejection.graders._tokens import from_unicode

_BARE_COMMANDS = re.compile(r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?|displaystyle|limits|quad|qquad|thinspace|,|;|:|!| )(?![a-zA-Z])\.?")
_CURRENCY = re.compile(r"(?:\\\$|\$|£|€|￥)(?=\s*-?[\d.])")
_NOUN = re.compile(
    r"^(?P<value>[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s+\d+/\d+|/\d+)?)\s*"
    r"(?P<noun>[a-zA-Z][a-zA-Z .^²³/\d-]{1,60}|[a-zA-Z]{2,}\^?\d?)$"
)
_EXPRESSION = re.compile(r"^(?:sin|cos|tan|log|ln|sqrt|pi|exp|e|i|inf|infinity|and|or|mod|x|y|z)\b|^[a-zA-Z](?![a-zA-Z])|.*\^[^23\s]")
_SOLE_TEXT = re.compile(r"^\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|hbox|emph|underline)\s*\{([^{}]*)\}$")


def normalize(answer: str) -> str:
    r"""The normal form of an answer: no layout, no currency, LaTeX for Unicode signs, `\text` around a unit.

    Example:
        >>> normalize(r"$\left( 3 , \, 4 \right)$.")
        '( 3 , 4 )'
    """
    text = from_unicode(answer).strip()
    text = _undressed(text)
    text = text.replace("{,}", ",").replace(",\\!", ",").replace("\\ ", " ")
    text = (
        text.replace("\\lbrace", "\\{").replace("\\rbrace", "\\}").replace("\\lvert", "|").replace("\\rvert", "|").replace("\\colon", ":")
    )
    text = text.replace("\\mid", "|").replace("\\vert", "|").replace("\\lbrack", "[").replace("\\rbrack", "]")
    text = _BARE_COMMANDS.sub(" ", text)
    text = _CURRENCY.sub("", text)
    text = text.replace("$", " ").replace("~", " ").replace("\\%", "%").replace("\\#", "")
    text = re.sub(r"\^\{\\prime\}|\^\\prime|\\prime", "'", text)
    text = re.sub(r"\\cdots?(?![a-z])", r"\\cdot", text) if "\\cdots" not in text else text
    text = " ".join(text.split())
    text = _trimmed(text)
    sole = _SOLE_TEXT.match(text)
    if sole:
        text = _trimmed(sole[1].strip())
    noun = _NOUN.match(text)
    if noun and not _EXPRESSION.match(noun["noun"]):
        text = f"{noun['value']} \\text{{{noun['noun'].strip()}}}"
    return text


def _undressed(text: str) -> str:
    """Without the marks around a whole formula and without a box."""
    from oche.rejection.graders._extract import boxed

    while True:
        before = text
        text = _trimmed(text.strip())
        for left, right in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
            inner = text[len(left) : len(text) - len(right)]
            if len(text) > len(left + right) and text.startswith(left) and text.endswith(right) and left not in inner:
                text = inner.strip()
        if text.startswith(("\\boxed", "\\fbox")):
            text = boxed(text) or text
        if text == before:
            return text


def _trimmed(text: str) -> str:
    # A factorial keeps its mark, a decimal `3.` does not need it.
    text = text.strip().strip("*").strip()
    while (text and text[-1] in ".,;:" and text[-2:] not in ("\\,", "\\;", "\\:")) or text.endswith("\\\\"):
        text = text.removesuffix("\\").removesuffix("\\").rstrip() if text.endswith("\\") else text[:-1].rstrip()
    return text

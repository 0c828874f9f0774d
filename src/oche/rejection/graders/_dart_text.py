"""How the DART-Math evaluator reads text: extraction and normal form, its oddities included. Pure functions.

Facts from the evaluator of hkust-nlp/dart-math; written anew here, without its `eval`. Every step takes time that grows with the
length alone, so that responses are never cut: what looks for a run of characters looks once per run (possessive repeats, lookbehinds).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from datetime import datetime

from oche.rejection.graders._words import BELOW_TWENTY

#: Longer answers have no normal form; fifty times the longest reference of the known sets.
LONGEST = 20_000

_EDGE = ":./,#?$\"'"
_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_AT_END = _EDGE + "([{\\" + _SPACE
_AT_START = re.compile(r"(?:[\s!)\]}" + re.escape(_EDGE) + r"]|\\\\)*+")
_FUNCTIONS = "sinh|cosh|tanh|coth|sech|csch|sin|cos|tan|cot|sec|csc|log|ln|exp"
_STYLES = (
    "textbf", "textit", "textsl", "texttt", "textsc", "textsf", "textrm", "mathrm", "mathbf", "mathit", "mathsf",
    "mathtt", "mathbb", "mathcal", "mathscr", "mathfrak", "bm", "emph", "underline", "overline", "text", "mbox",
)  # fmt: skip
_GONE = (
    "\n", "\t", "approximately", "'", '"', "\\$", "$", "￥", "£", "€", "{,}", "\\!", "\\,", "\\:", "\\;", "\\qquad", "\\quad", "\\space",
    "\\thinspace", "\\medspace", "\\thickspace", "~,", "\\ ", "\\\\%", "\\%", "%", "\\left", "\\right", "^{\\circ}", "^\\circ",
)  # fmt: skip
_REPLACED = (
    ("∪", "\\cup"), ("π", "\\pi"), ("∞", "\\infty"), ("∈", "\\in"), ("∩", "\\cap"), ("−", "-"), ("\\item", ","), ("and", ","), (";", ","),
    ("infinity", "\\infty"), ("+\\infty", "\\infty"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\approx", "="), ("\\times", "*"),
    ("\\cdot", "*"), ("{.", "{0."), (" .", " 0."), (":", "/"),
)  # fmt: skip
_UNITS = (
    "hour", "minute", "min", "sec", "second", "day", "week", "month", "year", "meter", "mile", "kg", "mg", "g",
    "t", "ton", "nm", "pm", "um", "μm", "m", "cm", "mm", "dm", "km", "kilometer", "inch", "feet", "piece", "bit",
    "hz", "Hz", "m/s", "km/s", "m/(min^2)", "billion", "eV", "V", "C", "s", "a\\.?m\\.?", "(?<!\\\\)p\\.?m\\.?",
)  # fmt: skip
_UNIT_PATTERNS = [re.compile(rf"(?<=[-\d.*^{{}}]){unit}e?s?$") for unit in _UNITS]
_UNIT_LENGTH = 24
_WORDS = (*BELOW_TWENTY, "twenty")
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d")
_TIMES = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_LONGEST_MOMENT = 40
# A formula holds no start of another one: then no text is looked at twice.
_FORMULA = re.compile(r"\$([^$]++)\$|\\\(((?:(?!\\[()]).)++)\\\)")
_NUMBER = re.compile(r"-?(?:\d++(?:\.\d++)?|\.\d++)")
_TAIL_ZEROS = re.compile(r"(?<!\d)(\d++)\.0++(?=\D|$)")
_PLUS_MINUS = re.compile(r"\\(?:pm|mp)")
_TERMS = re.compile(r"[\w.\\{}+\-*^]++")
_HEAD = re.compile(r"^([a-z]|[A-Z]{2}|\\?[a-z]+)\^?\{?-?('|\\prime|\d)*\}?(\(-?([\d.]+|[a-z])?\))?$")


def moment(text: str) -> str | None:
    """A date, a time or both in one spelling; None for anything else."""
    if len(text) > _LONGEST_MOMENT:
        return None
    both = (f"{d} {t}" for d in _DATES for t in _TIMES[:2])
    for form in (*_DATES, *both, *_TIMES):
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        dated, timed = "%d" in form, "%M" in form
        return found.strftime(" ".join(["%Y-%m-%d"] * dated + ["%H:%M:%S"] * timed))
    return None


def truth(text: str) -> str | None:
    """True for any text with "yes" or "true" in it, else False for any with "no" or "false" (so also for "unknown")."""
    low = text.lower().replace("noindent", "")
    if "yes" in low or "true" in low:
        return "True"
    return "False" if "no" in low or "false" in low else None


def trim(text: str) -> str:
    """Without marks at both ends."""
    text = text.rstrip(_AT_END)
    start = _AT_START.match(text)
    return text[start.end() :].lstrip() if start else text


def extract(response: str) -> str:
    """The answer that the evaluator finds; empty if none."""
    text = response.rstrip(_AT_END).lstrip()
    for sign in ("herefore", "####", "# Answer"):
        if sign in text:
            text = text.rpartition(sign)[2].strip()
    if "oxed{" in text:
        return normalize(_boxed(text))
    for sign in ("is the ans", "is our ans"):
        if sign in text:
            return normalize(re.split(r"[,.!?]", text.split(sign)[-2].strip())[-1])
    for sign in ("answer is", "answer:", "answer :"):
        if sign in text:
            found = text.rpartition(sign)[2].strip()
            return normalize(found[1:-1] if len(found) > 1 and found.startswith("$") and found.endswith("$") else found)
    if "statement" in text:
        said = truth(text.rpartition("is ")[2])
        return said if said is not None else normalize(text)
    formula = _last(_FORMULA.finditer(response))
    if formula is not None:
        return normalize(formula[1] or formula[2])
    number = _last(_NUMBER.finditer(response.replace(",", "")))
    return normalize(number[0]) if number is not None else ""


def _last(found: Iterable[re.Match[str]]) -> re.Match[str] | None:
    return next(iter(deque(found, maxlen=1)), None)


def _boxed(text: str) -> str:
    rest = text.rpartition("oxed{")[2]
    depth = 1
    for at, sign in enumerate(rest):
        if at and rest[at - 1] == "\\":
            continue
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return rest[:at]
    # An end brace that is missing is accepted.
    return rest


def normalize(answer: str) -> str:
    """The evaluator's normal form; of an answer longer than `LONGEST`, the answer itself."""
    if len(answer) > LONGEST:
        return answer
    text = trim(answer.replace("\n", "").strip())
    said = truth(text)
    if said is not None:
        return said
    if " " not in text:
        day = next((d for d in _DAYS if text.lower().startswith(d[:3].lower())), None)
        if day:
            return day
    for gone in _GONE:
        text = text.replace(gone, "")
    for old, new in _REPLACED:
        text = text.replace(old, new)
    if "\\infty" not in text:
        text = text.replace("inf", "\\infty")
    text = text.replace(" ", "")
    for style in _STYLES:
        text = re.sub(rf"\\{style}(?![a-zA-Z])\{{([^{{}}]*)\}}", r"\1", text)
        text = re.sub(rf"\\{style}(?![a-zA-Z])", "", text)
    text = re.sub(r"\\(?:begin|end)\{(?:align\*?|center|flushleft|flushright|itemize|enumerate|description)\}", "", text)
    text = text.replace("rad", "")
    text = re.sub(rf"\\?(?<![a-zA-Z])({_FUNCTIONS}|pi\b)", r"\\\1", text)
    text = re.sub(r"\{[a-z]?matrix\}", "{array}", text)
    text = re.sub(r"\\begin\{array\}\{[lcr]*\}", r"\\begin{array}", text)
    if "\\begin{array}" not in text:
        text = text.replace("\\\\", "")
    if "j" in text and "i" not in text:
        text = text.replace("j", "i")
    text = _TAIL_ZEROS.sub(r"\1", text)
    # A unit stands at the very end, so only there is it looked for.
    body, end = text[:-_UNIT_LENGTH], text[-_UNIT_LENGTH:]
    for unit in _UNIT_PATTERNS:
        short = unit.sub("", end)
        if short != end:
            body, end = (body + short)[:-_UNIT_LENGTH], (body + short)[-_UNIT_LENGTH:]
    text = body + end
    return _parts("0" + text if text.startswith(".") else text)


def is_set(text: str) -> bool:
    """Whether the evaluator takes a normal form for a set."""
    braces = (text.startswith("{") and text.endswith("}")) or (text.startswith("\\{") and text.endswith("\\}"))
    return braces or re.search(r"[^a-z]or(x|[^a-z])", text) is not None


def items(text: str) -> list[str]:
    """The elements of a set, a tuple or a list; without its brackets whatever they are, which is why (3,-1) equals (-1,3)."""
    return list(dict.fromkeys(part.strip() for part in bare(text).replace("or", ",").split(",")))


_BRACKETS = (("\\(", "\\)"), ("\\[", "\\]"), ("\\{", "\\}"), ("(", ")"), ("[", "]"), ("{", "}"))


def bare(text: str) -> str:
    """Without brackets around the whole."""
    ends: dict[str, dict[int, int]] = {}
    low, high = 0, len(text)
    while True:
        for left, right in _BRACKETS:
            if text.startswith(left, low, high) and text.endswith(right, low, high):
                if left not in ends:
                    ends[left] = _ends(text, left, right)
                if ends[left].get(low) == high:
                    low, high = low + len(left), high - len(right)
                    break
        else:
            return text[low:high]


def _ends(text: str, left: str, right: str) -> dict[int, int]:
    """Where each bracket that is closed starts, and where its end ends."""
    found, opened = {}, []
    for sign in re.finditer(f"{re.escape(left)}|{re.escape(right)}", text):
        if sign[0] == left:
            opened.append(sign.start())
        elif opened:
            found[opened.pop()] = sign.end()
    return found


def _parts(text: str) -> str:
    found = ",".join(_part(part) for part in (items(text) if is_set(text) else [text]))
    found = bare(found) if "," not in found else found
    if found in _WORDS[1:]:
        return str(_WORDS.index(found))
    found = trim(found)
    for sign in "<>":
        if found.count(sign) > 1 and "," not in found and "or" not in found:
            found = re.sub(f"{sign}=?", ",", found)
    return found


def _part(text: str) -> str:
    text = re.sub(r"\\?sqrt[({\[](\w++)[)}\]]", r"\\sqrt{\1}", text)
    text = re.sub(r"\\?sqrt(\d++)", r"\\sqrt{\1}", text)
    text = "\\" + text if text.startswith("frac") else text
    text = re.sub(r"\\frac(\w)(\w|\{)", lambda m: f"\\frac{{{m[1]}}}" + (m[2] if m[2] == "{" else f"{{{m[2]}}}"), text)
    text = re.sub(r"\b(\d++|sqrt\(.{0,200}?\))/(\d++|sqrt\(.{0,200}?\)\b)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"^[a-z]\\in", "", text)
    text = bare(text) if "," not in text else text
    if "\\begin{array}" not in text:
        sides = text.split("=")
        if len(sides) > 2 or (len(sides) == 2 and (_HEAD.match(sides[0]) or not re.search(r"[a-zA-Z]", sides[0]))):
            # An equation keeps both its sides; `x =`, `f(x) =` and `2 + 3 =` do not.
            text = sides[-1]
    if _PLUS_MINUS.search(text):
        text = _TERMS.sub(_both, text)
    return re.sub(r"^0++(?=[1-9])", "", text)


def _both(terms: re.Match[str]) -> str:
    r"""`a \pm b` as `a-b,a+b`; without an `a` as it stands."""
    sign = _PLUS_MINUS.search(terms[0], 1)
    if sign is None or sign.end() == len(terms[0]):
        return terms[0]
    left, right = terms[0][: sign.start()], terms[0][sign.end() :]
    return f"{left}-{right},{left}+{right}"

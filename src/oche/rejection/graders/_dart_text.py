"""How the DART-Math evaluator reads text: extraction and normal form, its oddities included. Pure functions.

Facts from the evaluator of hkust-nlp/dart-math; written anew here, without its `eval`.
"""

from __future__ import annotations

import re
from datetime import datetime

#: Longer answers have no normal form: the rules for units take time that grows with the cube of the length.
LONGEST = 500

_EDGE = ":./,#?$\"'"
_FUNCTIONS = "sinh|cosh|tanh|coth|sech|csch|sin|cos|tan|cot|sec|csc|log|ln|exp"
_STYLES = [
    "textbf",
    "textit",
    "textsl",
    "texttt",
    "textsc",
    "textsf",
    "textrm",
    "mathrm",
    "mathbf",
    "mathit",
    "mathsf",
    "mathtt",
    "mathbb",
    "mathcal",
    "mathscr",
    "mathfrak",
    "bm",
    "emph",
    "underline",
    "overline",
    "text",
    "mbox",
]
_GONE = (
    "\n", "\t", "approximately", "'", '"', "\\$", "$", "￥", "£", "€", "{,}", "\\!", "\\,", "\\:", "\\;", "\\qquad", "\\quad", "\\space",
    "\\thinspace", "\\medspace", "\\thickspace", "~,", "\\ ", "\\\\%", "\\%", "%", "\\left", "\\right", "^{\\circ}", "^\\circ",
)  # fmt: skip
_REPLACED = (
    ("∪", "\\cup"), ("π", "\\pi"), ("∞", "\\infty"), ("∈", "\\in"), ("∩", "\\cap"), ("−", "-"), ("\\item", ","), ("and", ","), (";", ","),
    ("infinity", "\\infty"), ("+\\infty", "\\infty"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\approx", "="), ("\\times", "*"),
    ("\\cdot", "*"), ("{.", "{0."), (" .", " 0."), (":", "/"),
)  # fmt: skip
_UNITS = [
    "hour",
    "minute",
    "min",
    "sec",
    "second",
    "day",
    "week",
    "month",
    "year",
    "meter",
    "mile",
    "kg",
    "mg",
    "g",
    "t",
    "ton",
    "nm",
    "pm",
    "um",
    "μm",
    "m",
    "cm",
    "mm",
    "dm",
    "km",
    "kilometer",
    "inch",
    "feet",
    "piece",
    "bit",
    "hz",
    "Hz",
    "m/s",
    "km/s",
    "m/(min^2)",
    "billion",
    "eV",
    "V",
    "C",
    "s",
    "a\\.?m\\.?",
    "(?<!\\\\)p\\.?m\\.?",
]
_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d")
_TIMES = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_HEAD = re.compile(r"^([a-z]|[A-Z]{2}|\\?[a-z]+)\^?\{?-?('|\\prime|\d)*\}?(\(-?([\d.]+|[a-z])?\))?$")


def moment(text: str) -> str | None:
    """A date, a time or both in one spelling; None for anything else."""
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
    text = text.strip()
    while text and text[-1] in _EDGE + "([{\\":
        text = text[:-1].strip()
    while text and (text[0] in _EDGE + "!)]}" or text.startswith("\\\\")):
        text = text[2 if text.startswith("\\\\") else 1 :].strip()
    return text


def extract(response: str) -> str:
    """The answer that the evaluator finds; empty if none."""
    text = response.strip()
    while text and text[-1] in _EDGE + "([{\\":
        text = text[:-1].strip()
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
    formulas = re.findall(r"\$([^$]{1,2000})\$|\\\((.{1,2000}?)\\\)", response)
    if formulas:
        return normalize(formulas[-1][0] or formulas[-1][1])
    numbers = re.findall(r"-?(?:\d+(?:\.\d+)?|\.\d+)", response.replace(",", ""))
    return normalize(numbers[-1]) if numbers else ""


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
    text = re.sub(r"(\d+)\.0+(?=\D|$)", r"\1", text)
    for unit in _UNITS:
        text = re.sub(rf"([-\d.*^{{}}]+){unit}e?s?$", r"\1", text)
    return _parts("0" + text if text.startswith(".") else text)


def is_set(text: str) -> bool:
    """Whether the evaluator takes a normal form for a set."""
    braces = (text.startswith("{") and text.endswith("}")) or (text.startswith("\\{") and text.endswith("\\}"))
    return braces or re.search(r"[^a-z]or(x|[^a-z])", text) is not None


def items(text: str) -> list[str]:
    """The elements of a set, a tuple or a list; without its brackets whatever they are, which is why (3,-1) equals (-1,3)."""
    return list(dict.fromkeys(part.strip() for part in bare(text).replace("or", ",").split(",")))


def bare(text: str) -> str:
    """Without brackets around the whole."""
    while True:
        for left, right in (("\\(", "\\)"), ("\\[", "\\]"), ("\\{", "\\}"), ("(", ")"), ("[", "]"), ("{", "}")):
            if text.startswith(left) and text.endswith(right) and _closes_last(text, left, right):
                text = text[len(left) : len(text) - len(right)]
                break
        else:
            return text


def _closes_last(text: str, left: str, right: str) -> bool:
    depth, at = 0, 0
    while at < len(text):
        if text.startswith(left, at):
            depth += 1
            at += len(left)
        elif text.startswith(right, at):
            depth -= 1
            at += len(right)
            if depth == 0:
                return at == len(text)
        else:
            at += 1
    return False


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
    text = re.sub(r"\\?sqrt[({\[](\w+)[)}\]]", r"\\sqrt{\1}", text)
    text = re.sub(r"\\?sqrt(\d+)", r"\\sqrt{\1}", text)
    text = "\\" + text if text.startswith("frac") else text
    text = re.sub(r"\\frac(\w)(\w|\{)", lambda m: f"\\frac{{{m[1]}}}" + (m[2] if m[2] == "{" else f"{{{m[2]}}}"), text)
    text = re.sub(r"\b(\d+|sqrt\(.*?\))/(\d+|sqrt\(.*?\)\b)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"^[a-z]\\in", "", text)
    text = bare(text) if "," not in text else text
    if "\\begin{array}" not in text:
        sides = text.split("=")
        if len(sides) > 2 or (len(sides) == 2 and (_HEAD.match(sides[0]) or not re.search(r"[a-zA-Z]", sides[0]))):
            # An equation keeps both its sides; `x =`, `f(x) =` and `2 + 3 =` do not.
            text = sides[-1]
    text = re.sub(r"([\w.\\{}+\-*^]+?)\\(?:pm|mp)([\w.\\{}+\-*^]+)", r"\1-\2,\1+\2", text)
    return re.sub(r"^0+(?=[1-9])", "", text)

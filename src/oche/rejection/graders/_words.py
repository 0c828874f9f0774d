"""Answers in words: truth values, weekdays, number words, units of measure. Tables and pure functions."""

from __future__ import annotations

import re

BELOW_TWENTY = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_DAYS = {d[:n]: d for d in ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] for n in (3, 4, 5, len(d))}
_TRUTH = {"yes": "true", "true": "true", "no": "false", "false": "false"}
_UNITS = {
    "km": "kilometer kilometre", "m": "meter metre", "cm": "centimeter centimetre", "mm": "millimeter millimetre", "mi": "mile",
    "ft": "foot feet", "in": "inch inche", "yd": "yard", "kg": "kilogram", "g": "gram", "lb": "pound lb", "oz": "ounce",
    "h": "hour hr", "min": "minute", "s": "second sec", "d": "day", "wk": "week", "yr": "year", "l": "liter litre", "ml": "milliliter",
    "usd": "dollar buck", "cent": "cent", "degree": "degree deg", "mph": "mile per hour", "unit": "unit", "rad": "radian",
}  # fmt: skip
_UNIT = {word: unit for unit, words in _UNITS.items() for word in [unit, *words.split()]}
_PLAIN = re.compile(r"[^a-z0-9]+")


def truth(text: str) -> str | None:
    """`true` or `false` for one word that says so; a word that only contains "no" does not."""
    return _TRUTH.get(text.strip(" .!").lower())


def weekday(text: str) -> str | None:
    """The full name of a weekday or of its abbreviation."""
    return _DAYS.get(text.strip(" .").lower())


def number(text: str) -> int | None:
    """The value of a number word from zero to ninety-nine, or a hundred."""
    words = text.strip(" .").lower().replace("-", " ").split()
    if len(words) == 1 and words[0] in BELOW_TWENTY:
        return BELOW_TWENTY.index(words[0])
    if words and words[0] in _TENS:
        tens = 20 + 10 * _TENS.index(words[0])
        if len(words) == 1:
            return tens
        if len(words) == 2 and words[1] in BELOW_TWENTY[1:10]:
            return tens + BELOW_TWENTY.index(words[1])
    return 100 if words in (["hundred"], ["one", "hundred"], ["a", "hundred"]) else None


def unit(text: str) -> str:
    """One spelling per unit; an unknown noun loses its plural."""
    words = " ".join(re.sub(r"[^a-z0-9^/ ]+", " ", text.lower()).split())
    words = words.removeprefix("of ").strip()
    if words in _UNIT:
        return _UNIT[words]
    singular = words[:-1] if words.endswith("s") and not words.endswith("ss") else words
    squared = re.sub(r"\b(?:sq|square) (\w+?)s?$", lambda m: f"{_UNIT.get(m[1], m[1])}^2", singular)
    squared = re.sub(r"\b(?:cu|cubic) (\w+?)s?$", lambda m: f"{_UNIT.get(m[1], m[1])}^3", squared)
    return _UNIT.get(squared, squared)


def plain(text: str) -> str:
    """Words alone: lower case, no marks, one space between."""
    return " ".join(_PLAIN.sub(" ", text.lower()).split())

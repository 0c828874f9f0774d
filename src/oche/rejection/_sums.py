"""Sums as queries: `a+b=`, and how the tiny transformer spells them.

The transformer reads 13 symbols: the question right-aligned in eight, then the sum from its last digit to its first, a full stop, and full
stops up to five. Queries and responses are plain text in the usual order; the spelling is this file's business alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from oche.errors import ArgumentError
from oche.rejection._queries import Query
from oche.seeds import generator

ALPHABET = "0123456789+=."
STOP = ALPHABET.index(".")
#: Symbols of a question and of a response.
QUESTION, RESPONSE = 8, 5

_CODE = {symbol: code for code, symbol in enumerate(ALPHABET)}
_SUM = re.compile(r"[0-9]{1,3}\+[0-9]{1,3}=")
# Pairs of operands by number of digits.
_PAIRS = {1: 100, 2: 90**2, 3: 900**2}


def sums(n: int, digits: int = 3, seed: int = 0, exclude: Iterable[Query] = ()) -> list[Query]:
    """Different sums of two numbers of `digits` digits, in random order; the reference is the decimal sum.

    Args:
        n: How many.
        digits: Digits of both numbers, 1 to 3.
        seed: Which ones.
        exclude: Queries that must not be among them, for a test set.

    Raises:
        ArgumentError: there are not so many.

    Example:
        >>> [(q.text, q.reference) for q in sums(2, digits=1)]
        [('6+4=', '10'), ('0+1=', '1')]
    """
    if digits not in _PAIRS:
        raise ArgumentError(f"digits: got {digits!r}; allowed: 1, 2, 3")
    taken = {q.text for q in exclude}
    low, side = (0 if digits == 1 else 10 ** (digits - 1)), int(_PAIRS[digits] ** 0.5)
    found = []
    for rank in generator(seed, "sums", digits).permutation(_PAIRS[digits]).tolist():
        if len(found) == n:
            break
        a, b = low + rank // side, low + rank % side
        if (text := f"{a}+{b}=") not in taken:
            found.append(Query(text, text, str(a + b), str(digits)))
    if n < 1 or len(found) < n:
        raise ArgumentError(f"sums: got n={n}; allowed: 1 to {len(found)} of {digits} digits")
    return found


def random_sums(n: int, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Whole sequences, `(n, 13)`, with operands of 1, 2 and 3 digits in the given shares, uniform among those of a length."""
    digits = 1 + rng.choice(3, n, p=np.asarray(shares) / sum(shares))
    low = np.where(digits == 1, 0, 10 ** (digits - 1))
    operands = rng.integers(low, 10**digits, (2, n))
    return np.array([spell(f"{a}+{b}=", str(a + b)) for a, b in operands.T.tolist()])


def question(text: str) -> list[int]:
    """The eight symbols of a query's text.

    Raises:
        ArgumentError: it is no sum of two numbers of at most three digits.
    """
    if _SUM.fullmatch(text) is None:
        raise ArgumentError(f"query of sampler 'tiny': got {text!r}; allowed: sums of two numbers of 1 to 3 digits such as '27+5='")
    return [_CODE[c] for c in text.rjust(QUESTION, ".")]


def spell(text: str, response: str) -> list[int]:
    """All thirteen symbols of a query and a response.

    Raises:
        ArgumentError: the query is no sum, or the response has other symbols or more than four.
    """
    if len(response) >= RESPONSE or not set(response) <= set(ALPHABET[:-1]):
        raise ArgumentError(f"response of sampler 'tiny': got {response!r}; allowed: up to {RESPONSE - 1} of {ALPHABET[:-1]}")
    return question(text) + [_CODE[c] for c in response[::-1].ljust(RESPONSE, ".")]


def read(codes: Sequence[int]) -> tuple[str, bool]:
    """The text of a response's symbols up to the first full stop, in the usual order, and whether there was one."""
    text = "".join(ALPHABET[c] for c in codes)
    body, stop, _ = text.partition(".")
    return body[::-1], bool(stop)

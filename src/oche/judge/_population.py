"""A finite space whose every member was measured: its mean is known exactly, so only the searches carry an error.

Such a baseline comes as one record per member, or as one record of kind `population` whose curve `members` lists
(count, value) pairs. The report stores the short form.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from oche.errors import JudgeError
from oche.store.record import Record

#: Name of the curve that holds (count, value) pairs.
MEMBERS = "members"


def member_values(records: Sequence[Record]) -> list[float]:
    """The result of every member, whichever form the records have.

    Raises:
        JudgeError: a lone record without its members, or a count that is not a whole number above 0.
    """
    if len(records) > 1:
        return [r.value for r in records]
    record = records[0]
    pairs = record.curves.get(MEMBERS)
    if not pairs:
        raise JudgeError(
            f"population {record.id}: got one record without members; allowed: one record per member, or "
            f"curves[{MEMBERS!r}] = [[count, value], ...]"
        )
    values: list[float] = []
    for pair in pairs:
        count = pair[0] if len(pair) == 2 else 0
        if count < 1 or count != int(count):
            raise JudgeError(
                f"population {record.id}: got {list(pair)!r} in {MEMBERS!r}; allowed: [count, value] with a whole count above 0"
            )
        values.extend([float(pair[1])] * int(count))
    return values


def population_curves(values: Sequence[float]) -> dict[str, list[list[float]]]:
    """The `curves` of a population record: distinct values ascending, each with its count.

    Args:
        values: The result of every member of the space.

    Example:
        >>> population_curves([2.0, 1.0, 2.0])
        {'members': [[1, 1.0], [2, 2.0]]}
    """
    return {MEMBERS: [[count, value] for value, count in sorted(Counter(values).items())]}


def short_form(records: Sequence[Record]) -> Record:
    """One record that stands for all members, with their distinct values and counts, ascending."""
    if len(records) == 1:
        return records[0]
    first = records[0]
    values = member_values(records)
    mean = math.fsum(values) / len(values)
    return replace(
        first,
        metrics={first.metric: mean},
        curves=population_curves(values),
        dna=None,
        arch=None,
        decisions={},
        cost={},
        params=None,
        macs=None,
        settings={**first.settings, "members": len(values)},
        artifacts={},
        id="",
    )

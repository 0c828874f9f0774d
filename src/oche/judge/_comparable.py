"""Which records may be compared: same protocol, same metric, same space. Differences are named, never passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oche.errors import JudgeError
from oche.store.record import Record

_MISSING = "absent"


def flatten(protocol: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields as dotted names: `{"recipe": {"epochs": 8}}` gives `{"recipe.epochs": 8}`."""
    flat: dict[str, Any] = {}
    for key, value in protocol.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = list(value) if isinstance(value, tuple) else value
    return flat


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted fields that differ, with both values; a field that only one has is `absent` in the other."""
    a, b = flatten(one), flatten(other)
    names = sorted({*a, *b})
    return {n: (a.get(n, _MISSING), b.get(n, _MISSING)) for n in names if a.get(n, _MISSING) != b.get(n, _MISSING)}


def check_protocols(records: Sequence[Record], allow_differ: Iterable[str]) -> list[str]:
    """Refuse records of unequal protocols, except in fields that may differ.

    Args:
        records: Everything that enters one comparison.
        allow_differ: Field names, dotted or the last part alone, or a prefix of dotted names.

    Returns:
        What differs and was allowed, as `field (a vs b)`.

    Raises:
        JudgeError: "protocols differ in: epochs (600 vs 200)".
    """
    allowed = tuple(allow_differ)
    first, seen, noted = records[0], {id(records[0].protocol)}, dict[str, None]()
    hashes = {first.protocol_hash}
    for record in records[1:]:
        if id(record.protocol) in seen or record.protocol_hash in hashes:
            continue
        seen.add(id(record.protocol))
        hashes.add(record.protocol_hash)
        found = differences(first.protocol, record.protocol)
        refused = {n: v for n, v in found.items() if not _is_allowed(n, allowed)}
        if refused:
            raise JudgeError(
                f"protocols differ in: {_listed(refused)} between '{first.algorithm}' and '{record.algorithm}' on {record.task}; "
                "allowed: equal protocols; run both alike, or name the fields in allow_differ"
            )
        noted.update(dict.fromkeys(_listed({n: v}) for n, v in found.items()))
    return list(noted)


def check_metric(records: Sequence[Record]) -> None:
    """Refuse records of unequal metric, unit or direction.

    Raises:
        JudgeError: they differ, or the primary metric is missing.
    """
    first = records[0]
    for record in records:
        if record.unit != first.unit:
            raise JudgeError(
                f"unit mismatch: got {record.unit!r} in run {record.id} and {first.unit!r} in run {first.id}; allowed: one unit; "
                "convert one of them"
            )
        if (record.metric, record.direction) != (first.metric, first.direction):
            raise JudgeError(
                f"metric: got {record.metric!r} ({record.direction}) in run {record.id} and {first.metric!r} ({first.direction}) "
                f"in run {first.id}; allowed: one metric and direction per task"
            )
        if record.status == "done" and record.metric not in record.metrics:
            raise JudgeError(
                f"run {record.id}: metric {record.metric!r} is missing; allowed: one of {sorted(record.metrics)}; "
                "record the run as failed instead"
            )


def check_space(other: Record, search: Record, what: str) -> None:
    """Refuse a baseline that was drawn from another space than the search ran in.

    Raises:
        JudgeError: "baseline was drawn from space X, search ran in Y".
    """
    if other.fingerprint != search.fingerprint:
        raise JudgeError(
            f"{what} was drawn from space {_space(other)}, search ran in {_space(search)} ('{search.algorithm}' on {search.task}); "
            "allowed: the same space; draw it with the space object that was searched"
        )


def _space(record: Record) -> str:
    return f"{record.space} ({record.fingerprint[:8]})"


def _is_allowed(name: str, allowed: Sequence[str]) -> bool:
    return any(name == a or name.endswith(f".{a}") or name.startswith(f"{a}.") for a in allowed)


def _listed(found: Mapping[str, tuple[Any, Any]]) -> str:
    return ", ".join(f"{name} ({_short(a)} vs {_short(b)})" for name, (a, b) in found.items())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."

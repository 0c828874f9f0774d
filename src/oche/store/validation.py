"""Checks of records that come from outside: every field known, of the right type and finite."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, ValidationError

from oche.errors import StoreError
from oche.store.record import KINDS, SCHEMA

# Integers stay integers: a record that is read and written again must have the same hash.
Number = StrictInt | StrictFloat


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_: Literal["oche.record/1"] = Field(alias="schema")
    kind: Literal["random", "search", "random_search", "population"]
    algorithm: str
    space: str
    fingerprint: str
    task: str
    protocol: dict[str, Any]
    metric: str
    metrics: dict[str, Number]
    direction: Literal["max", "min"] = "max"
    unit: str = "%"
    search_seed: StrictInt | None = None
    train_seed: StrictInt | None = None
    dna: list[Number | str | None] | None = None
    arch: str | None = None
    decisions: dict[str, Any] = {}
    budget: dict[str, Number] = {}
    cost: dict[str, dict[str, Number]] = {}
    curves: dict[str, list[list[Number]]] = {}
    objectives: dict[str, Literal["max", "min"]] = {}
    front: list[dict[str, Any]] = []
    params: StrictInt | None = None
    macs: StrictInt | None = None
    n_report: StrictInt | None = None
    settings: dict[str, Any] = {}
    env: dict[str, Any] = {}
    artifacts: dict[str, str] = {}
    status: Literal["done", "failed"] = "done"
    reason: str = ""
    run: str = ""
    id: str = ""


@cache
def _fields() -> list[str]:
    return [f.alias or name for name, f in _Model.model_fields.items()]


def check_record(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record, checked.

    Args:
        value: JSON form of a record, as `Record.to_json` makes it.

    Returns:
        Keyword arguments for `Record`.

    Raises:
        StoreError: a field is missing, unknown, of the wrong type or not finite; the message names the first such field.
    """
    if not isinstance(value, Mapping):
        raise StoreError(f"record: got {type(value).__name__}; allowed: a JSON object with schema {SCHEMA!r}")
    try:
        model = _Model.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "record"
        raise StoreError(f"record field {name!r}: got {_short(first.get('input'))}; allowed: {_allowed(name, first['msg'])}") from error
    return {name: getattr(model, name) for name in _Model.model_fields if name != "schema_"}


def _allowed(name: str, message: str) -> str:
    if name == "schema":
        return f"{SCHEMA!r}"
    if name == "kind":
        return ", ".join(KINDS)
    if message.startswith("Extra inputs"):
        return ", ".join(_fields())
    return message[0].lower() + message[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

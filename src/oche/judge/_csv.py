"""CSV tables that others made: which columns there may be, and what is missing.

One line per run. Three columns are needed: the method, the kind of run and the result; names that are in use elsewhere are taken too. What
can be filled in without a guess is (one data set per file, runs numbered in order); what cannot is asked for by name.
"""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import JudgeError, nearest
from oche.files import digest
from oche.judge._numbers import COST_UNITS
from oche.store.record import KINDS, Record

#: Column to the other names under which it is taken.
COLUMNS: dict[str, tuple[str, ...]] = {
    "method": ("algorithm", "algo", "optimizer", "searcher", "approach"),
    "kind": ("role", "arm"),
    "dataset": ("data", "task", "benchmark"),
    "accuracy": ("result", "value", "score", "test", "test_acc", "test_accuracy", "test-accuracy", "acc", "metric_value"),
    "run": ("seed", "search_seed", "repeat", "trial", "replicate"),
    "space": ("search_space",),
    "train_seed": ("training_seed",),
    "valid": ("valid_acc", "valid_accuracy", "valid-accuracy", "val_acc", "validation"),
    "arch": ("architecture", "cell", "genotype"),
    "metric": ("metric_name",),
    "direction": (),
    "unit": (),
    "n_test": ("n_report", "test_items"),
    "params": ("parameters", "n_params"),
}
NEEDED = ("method", "kind", "accuracy")
# Other words for the kinds of runs.
_KINDS = {
    "random": ("baseline", "random_baseline", "random_average", "random member", "random sampling", "sample"),
    "search": ("method", "searched"),
    "random_search": ("random search", "rs"),
    "population": ("all", "all members"),
}
log = logging.getLogger("oche.judge")
_PREFIXES = ("budget_", "cost_", "final_cost_", "protocol_", "setting_")


def read_table(name: str, text: str) -> list[Record]:
    """Records of a CSV table (comma, semicolon or tab).

    Columns (other names in `COLUMNS`): `method`, `kind` (`random`: a random member of the space; `search`; `random_search`;
    `population`: every member), `accuracy`; optional `dataset`, `run`, `space`, `train_seed`, `valid`, `arch`, `metric`, `direction`,
    `unit`, `n_test`, `params`, and `budget_<unit>`, `cost_<unit>`, `final_cost_<unit>`, `protocol_<field>`, `setting_<name>`.

    Raises:
        JudgeError: a needed column is missing, or a value is not allowed; the message names line and column.
    """
    content = text.splitlines()
    # Blank lines and remarks may come before the header.
    before = next((i for i, line in enumerate(content) if line.strip() and not line.lstrip().startswith("#")), 0)
    first = content[before] if content else ""
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(content[before:], delimiter=delimiter)
    header = [h.strip() for h in rows.fieldnames or () if h is not None]
    rows.fieldnames = header
    if twice := [h for h in dict.fromkeys(header) if h and header.count(h) > 1]:
        raise JudgeError(f"{name} line {before + 1}: got column {twice[0]!r} twice; allowed: each column once")
    found = _columns(name, header, before + 1)
    lines: list[tuple[str, Mapping[str, str | None]]] = []
    for row in rows:
        where = f"{name} line {rows.line_num + before}"
        if None in row:
            many = len(header) + len(row[None])  # type: ignore[arg-type]
            raise JudgeError(f"{where}: got {many} values; allowed: {len(header)}, one per column")
        if any(v is not None and v.strip() for v in row.values()):
            lines.append((where, row))
    table = _Table(name, found, _shared_space(name, found, lines), decimal_comma=delimiter != ",")
    table.shares = _are_shares(name, found, lines)
    return [table.record(row, where) for where, row in lines]


def _are_shares(name: str, columns: Mapping[str, str], lines: Sequence[tuple[str, Mapping[str, str | None]]]) -> bool:
    """Whether accuracies are given from 0 to 1 although nothing says so: then they are shares, and are told as percent."""
    if "unit" in columns or "metric" in columns or "direction" in columns or not lines:
        return False
    values = []
    for _, row in lines:
        try:
            values.append(float((row.get(columns["accuracy"]) or "").replace(",", ".")))
        except ValueError:
            return False
    if not all(0 <= v <= 1 for v in values):
        return False
    log.warning("%s: all accuracies lie between 0 and 1: taken as shares, times 100; a column unit says otherwise", name)
    return True


def _shared_space(name: str, columns: Mapping[str, str], lines: Sequence[tuple[str, Mapping[str, str | None]]]) -> str | None:
    """The one space of a file without such a column; None if every method has random runs of its own name, hence its own space."""
    if "space" in columns:
        return None
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    for where, row in lines:
        kind = (row.get(columns["kind"]) or "").strip()
        if kind:
            kinds[_kind(kind, where) == "search"].add((row.get(columns["method"]) or "").strip())
    return None if kinds[False] <= kinds[True] else name.rsplit(".", 1)[0]


def _columns(name: str, header: Sequence[str], line: int = 1) -> dict[str, str]:
    """Our name to theirs."""
    lowered = {h.lower(): h for h in header}
    found: dict[str, str] = {}
    for ours, others in COLUMNS.items():
        theirs = next((lowered[n] for n in (ours, *others) if n in lowered), None)
        if theirs is not None:
            found[ours] = theirs
    missing = [c for c in NEEDED if c not in found]
    if missing:
        hints = [f"{h!r} for {m!r}?" for m in missing for h in header if h not in found.values() and nearest(h, [m, *COLUMNS[m]])]
        why = {
            "kind": "kind says what a run is: 'random' (a random member of the space, trained alike), 'search', or 'random_search'",
            "method": "method names the algorithm",
            "accuracy": "accuracy is the final result, in percent unless a column unit says otherwise",
        }
        raise JudgeError(
            f"{name} line {line}: got columns {', '.join(header) or 'none'}; allowed: {', '.join(COLUMNS)}; missing: {', '.join(missing)} "
            f"({'; '.join(why[m] for m in missing)}){'; did you mean ' + ' '.join(dict.fromkeys(hints)) if hints else ''}"
            f"{_layout_hint(header, missing)}"
        )
    known = set(found.values())
    strange = [h for h in header if h not in known and not h.lower().startswith(_PREFIXES)]
    if strange:
        log.warning("%s: columns that are not used: %s", name, ", ".join(strange))
    return found


#: Columns of results of which less is better.
_LOSSES = ("error", "err", "test_error", "loss", "test_loss", "perplexity", "ppl", "rmse", "mae")


def _layout_hint(header: Sequence[str], missing: Sequence[str]) -> str:
    """What a stranger's table of another form needs to become one of ours."""
    losses = [h for h in header if h.lower() in _LOSSES]
    if losses and "accuracy" in missing:
        return f"; for {losses[0]!r}, call that column result and add the columns metric={losses[0]}, direction=min and unit"
    if len(missing) == len(NEEDED) and len(header) > 1:
        return "; one line per run is read, not one column per method: give each result a line of its own"
    return ""


class _Table:
    """What all lines of a file share while they become records."""

    def __init__(self, name: str, columns: Mapping[str, str], space: str | None, decimal_comma: bool = False) -> None:
        self.name = name
        self.decimal_comma = decimal_comma
        self.shares = False
        self._seen: dict[tuple[Any, ...], str] = {}
        self.columns = columns
        self.space = space
        self._order: dict[tuple[str, ...], int] = {}
        self._protocols: dict[str, dict[str, Any]] = {}

    def record(self, row: Mapping[str, str | None], where: str) -> Record:
        """One line as a record."""

        def text(column: str, default: str = "") -> str:
            return (row.get(self.columns[column]) or "").strip() or default if column in self.columns else default

        def whole(column: str) -> int | None:
            return _whole(text(column), column, where) if text(column) else None

        for column in NEEDED if "dataset" not in self.columns else (*NEEDED, "dataset"):
            if not text(column):
                raise JudgeError(f"{where}, field '{column}': got nothing; allowed: a value; leave the whole line out if there was no run")
        kind, method = _kind(text("kind"), where), text("method")
        random = kind in ("random", "population")
        dataset, space = text("dataset", self.name.rsplit(".", 1)[0]), text("space") or self.space or method
        metric, direction = text("metric", "accuracy"), text("direction", "max")
        unit, factor = self._unit(text("unit") if "unit" in self.columns else "%")
        metrics = {metric: factor * self._value(text("accuracy"), "accuracy", where)}
        if text("valid"):
            metrics["valid"] = factor * self._value(text("valid"), "valid", where)
        if unit == "%" and metric == "accuracy" and not 0 <= metrics[metric] <= 100:
            raise JudgeError(
                f"{where}, field 'accuracy': got {text('accuracy')!r}; allowed: 0 to 100 %; other metrics need the columns metric and unit"
            )
        if direction not in ("max", "min"):
            raise JudgeError(f"{where}, field 'direction': got {direction!r}; allowed: 'max', 'min'")
        given = whole("run")
        run = given if given is not None else self._next((dataset, space, kind, "" if random else method))
        if given is not None:
            self._once((dataset, space, kind, method, given, whole("train_seed"), text("arch"), *_budgets(row)), where)
        cost = {part: _numbers(row, prefix, where) for part, prefix in (("search", "cost_"), ("final", "final_cost_"))}
        # The number of the draw tells equal architectures of independent draws apart.
        draw = {"member": run, "drawn_as": method} if random else {}
        return Record(
            kind=kind,
            algorithm="random" if random else method,
            space=space,
            fingerprint=digest(["csv", space.lower()]),
            task=dataset,
            protocol=self._protocol(
                {
                    "source": self.name,
                    "metric": metric,
                    **({"accuracy": "shares, times 100"} if self.shares else {}),
                    **_prefixed(row, "protocol_"),
                }
            ),
            metric=metric,
            metrics=metrics,
            direction=direction,
            unit=unit,
            # A number that only counts lines is no seed.
            search_seed=None if random else given,
            train_seed=whole("train_seed"),
            arch=text("arch") or None,
            budget={} if random else _numbers(row, "budget_", where),
            cost={part: spent for part, spent in cost.items() if spent},
            n_report=whole("n_test"),
            params=whole("params"),
            settings={"run": run, **draw, **_prefixed(row, "setting_")},
        )

    def _unit(self, unit: str) -> tuple[str, float]:
        """The unit as ours, and what values are multiplied by."""
        if self.shares or unit.lower() in ("share", "fraction", "ratio", "[0, 1]", "0-1"):
            return "%", 100.0
        return ("%" if unit.lower() in ("percent", "pct", "percentage") else unit), 1.0

    def _value(self, text: str, column: str, where: str) -> float:
        """A number; with a decimal comma where commas do not part the columns."""
        return _number(text.replace(",", ".") if self.decimal_comma and text.count(",") == 1 else text, column, where)

    def _once(self, run: tuple[Any, ...], where: str) -> None:
        if run in self._seen:
            raise JudgeError(
                f"duplicate run: got run {run[4]} of {run[3]!r} on {run[0]} in {where} and {self._seen[run].rpartition(' line ')[2]}; "
                "allowed: each run once; if that column is the seed of the training, which runs may share, call it train_seed"
            )
        self._seen[run] = where

    def _next(self, arm: tuple[str, ...]) -> int:
        self._order[arm] = self._order.get(arm, -1) + 1
        return self._order[arm]

    def _protocol(self, protocol: dict[str, Any]) -> dict[str, Any]:
        """One object for all lines that share it."""
        return self._protocols.setdefault(repr(sorted(protocol.items())), protocol)


def _kind(text: str, where: str) -> str:
    wanted = text.lower().replace("-", " ").replace("_", " ")
    for kind, others in _KINDS.items():
        if wanted in {k.replace("_", " ") for k in (kind, *others)}:
            return kind
    raise JudgeError(f"{where}, field 'kind': got {text!r}; allowed: {', '.join(map(repr, KINDS))}")


def _budgets(row: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(_prefixed(row, "budget_").items()))


def _prefixed(row: Mapping[str, str | None], prefix: str) -> dict[str, str]:
    return {h[len(prefix) :]: v.strip() for h, v in row.items() if h is not None and h.lower().startswith(prefix) and v and v.strip()}


def _numbers(row: Mapping[str, str | None], prefix: str, where: str) -> dict[str, float]:
    found = {unit: _number(value, f"{prefix}{unit}", where) for unit, value in _prefixed(row, prefix).items()}
    for unit in found:
        if unit not in COST_UNITS:
            raise JudgeError(f"{where}, field '{prefix}{unit}': got unit {unit!r}; allowed: {', '.join(COST_UNITS)}")
    return found


def _whole(text: str, column: str, where: str) -> int:
    try:
        # Tables that were written as numbers hold 1.0 for 1.
        return int(text.removesuffix(".0"))
    except ValueError:
        raise JudgeError(f"{where}, field '{column}': got {text!r}; allowed: a whole number") from None


def _number(text: str, column: str, where: str) -> float:
    what = "a number in percent" if column == "accuracy" else "a number"
    try:
        value = float(text.removesuffix("%").strip())
    except ValueError:
        raise JudgeError(f"{where}, field '{column}': got {text!r}; allowed: {what}; leave the line out if the run failed") from None
    if not math.isfinite(value):
        raise JudgeError(f"{where}, field '{column}': got {text!r}, {column} is not finite; allowed: {what}")
    return value

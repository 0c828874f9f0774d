"""Results in the forms that other tools of statistics read: autorank's table and rliable's arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oche.errors import JudgeError, MissingExtraError
from oche.judge._grouping import Group, dataset_name, flatten_records, make_groups

if TYPE_CHECKING:
    import pandas


def to_autorank(*runs: Any) -> pandas.DataFrame:
    """A frame for autorank: one row per data set, one column per method, the mean over runs.

    `autorank.autorank(frame, order=frame.attrs["order"])`: `descending` where larger is better. Autorank wants 5 rows or more, and gives
    NaN for a frame with holes, so one with holes is refused here.

    Args:
        *runs: Records, lists of them, or objects with `.records`, such as a report. Random members are a column of their own.

    Raises:
        MissingExtraError: pandas is not installed.
        JudgeError: a method has no result on a data set, or larger is better on some data sets only.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("pandas", "data") from error
    order = "descending" if _direction(runs) == "max" else "ascending"
    table = {m: {d: float(np.mean(v)) for d, v in row.items()} for m, row in _table(runs).items()}
    datasets = list(dict.fromkeys(d for row in table.values() for d in row))
    _check_whole({m: set(row) for m, row in table.items()}, datasets)
    frame = pandas.DataFrame({m: [row[d] for d in datasets] for m, row in table.items()}, index=pandas.Index(datasets, name="dataset"))
    frame.attrs["order"] = order
    return frame


def to_rliable(*runs: Any, normalize: bool = False, cut: bool = False) -> dict[str, np.ndarray]:
    """Arrays for rliable: method to `(runs, data sets)`, always two-dimensional, data sets in one order for all methods.

    Args:
        *runs: Records, lists of them, or objects with `.records`.
        normalize: Give improvements over the random mean of each data set in percent, instead of the metric itself; larger is better then,
            as rliable takes it, whatever the metric.
        cut: Cut every method to the fewest runs that it has on any data set; otherwise unequal numbers are refused, since an array
            has no holes.

    Raises:
        JudgeError: unequal numbers of runs, a method without a data set, or no random members to normalize by.
    """
    table = _table(runs)
    random = table.pop("random members", None) if normalize else table.get("random members")
    datasets = list(dict.fromkeys(d for row in table.values() for d in row))
    _check_whole({m: set(row) for m, row in table.items()}, datasets)
    sign = -1.0 if normalize and _direction(runs) == "min" else 1.0
    found = {}
    for method, row in table.items():
        counts = {d: len(row[d]) for d in datasets}
        n = min(counts.values())
        if len(set(counts.values())) > 1 and not cut:
            raise JudgeError(f"rliable: got {counts} runs of {method!r}; allowed: equally many everywhere; cut=True drops the last ones")
        columns = []
        for dataset in datasets:
            values = np.asarray(row[dataset][:n], dtype=np.float64)
            if normalize:
                base = float(np.mean((random or {}).get(dataset, [math.nan])))
                if not base > 0:
                    raise JudgeError(f"rliable: got no random members on {dataset!r} with a positive mean; allowed: a baseline everywhere")
                values = sign * 100.0 * (values / base - 1.0)
            columns.append(values)
        found[method] = np.stack(columns, axis=1)
    return found


def _direction(runs: Sequence[Any]) -> str:
    """Whether larger or smaller is better, everywhere."""
    found = {r.direction for r in flatten_records(runs, "runs")}
    if len(found) > 1:
        raise JudgeError(
            "export: got metrics of which larger is better on some data sets and smaller on others; allowed: one kind at a time"
        )
    return found.pop() if found else "max"


def _table(runs: Sequence[Any]) -> dict[str, dict[str, list[float]]]:
    """Method to data set to results, in the order of seeds."""
    records = flatten_records(runs, "runs")
    roles = (("baseline", ("random", "population")), ("random_search", ("random_search",)), ("search", ("search",)))
    groups: list[Group] = []
    for role, kinds in roles:
        groups += make_groups([r for r in records if r.kind in kinds], role)
    table: dict[str, dict[str, list[float]]] = {}
    for group in groups:
        if not group.done:
            continue
        values = list(group.arm().values) if group.population else [r.value for r in group.done]
        held = table.setdefault(group.label, {}).setdefault(dataset_name(group.first), [])
        if held and group.role != "baseline":
            raise JudgeError(f"export: got {group.label!r} twice on {dataset_name(group.first)}; allowed: one space for each")
        held.extend(values)
    if not table:
        raise JudgeError("export: got no result; allowed: records of runs that ended")
    return table


def _check_whole(held: dict[str, set[str]], datasets: Sequence[str]) -> None:
    for method, mine in held.items():
        missing = [d for d in datasets if d not in mine]
        if missing:
            raise JudgeError(
                f"export: got no result of {method!r} on {', '.join(missing)}; allowed: every method on every data set; leave one out"
            )

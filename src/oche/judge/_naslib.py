"""NASLib's result files: one `errors.json` per run, in a folder per seed.

Three forms are in use: the trajectory alone, a list of settings and trajectory, and the older `errors_<seed>.json` whose trajectory
holds the table's answer for each pick. What the file does not say is read from its folders (`.../dataset/optimizer/seed/`) or given.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from oche.errors import JudgeError
from oche.files import digest
from oche.store.record import Record

_NAME = re.compile(r"errors(?:_(\d+))?\.json")
_RANDOM_SEARCH = {"rs", "randomsearch", "random_search"}


def is_naslib_name(name: str) -> bool:
    """Whether a file is called as NASLib calls its results."""
    return _NAME.fullmatch(name) is not None


def read_naslib(
    path: str | os.PathLike[str],
    *,
    space: str | None = None,
    dataset: str | None = None,
    algorithm: str | None = None,
) -> list[Record]:
    """Read runs of NASLib.

    The result is the test accuracy of the last incumbent; the incumbents become a curve. Random search (`rs`, `RS`, `RandomSearch`) is
    recorded as such; random members are not in these files and must come from elsewhere.

    Args:
        path: An `errors.json`, or a folder that is searched for such files.
        space: Name of the space; from the settings in the file by default, else `nasbench201` where cells are of its form.
        dataset: Name of the data; from the file or its folders by default.
        algorithm: Name of the optimizer; from the file or its folders by default.

    Raises:
        JudgeError: no such file, another form, or no test accuracy in it.

    Source: the trainer of NASLib, which writes these files.
    """
    root = Path(path)
    files = sorted(f for f in root.rglob("*.json") if is_naslib_name(f.name)) if root.is_dir() else [root]
    if not files:
        raise JudgeError(f"records: got folder {str(path)!r} without records.jsonl or errors.json; allowed: a folder with one of them")
    return [_record(f, space, dataset, algorithm) for f in files]


def _record(path: Path, space: str | None, dataset: str | None, algorithm: str | None) -> Record:
    config, trajectory = _parts(path)
    numbered = _NAME.fullmatch(path.name)
    folders = list(path.resolve().parent.parts)
    seed = int(numbered[1]) if numbered and numbered[1] else None
    if seed is None and folders and re.fullmatch(r"(?:seed_?)?\d+", folders[-1]):
        seed = int(re.sub(r"\D", "", folders.pop()))
    search = config.get("search")
    inner = search.get("seed") if isinstance(search, Mapping) else None
    seed = next((int(s) for s in (inner, config.get("seed"), seed) if s is not None), None)
    if seed is None:
        raise JudgeError(f"{path.name}: got no seed; allowed: a folder per seed such as 'RE/0/errors.json', or a file 'errors_0.json'")
    method = algorithm or config.get("optimizer") or (folders[-1] if folders else "unknown")
    data = dataset or config.get("dataset") or (folders[-2] if len(folders) > 1 else "unknown")
    values, arch = _incumbents(path, trajectory, str(data))
    where = space or config.get("search_space") or ("nasbench201" if arch and arch.startswith("|") else "unknown")
    times = [float(t) for t in trajectory.get("train_time", []) or []]
    curves = {"incumbent test by trials": [[i + 1.0, v] for i, v in enumerate(values)]}
    if len(times) == len(values) and sum(times) > 0:
        curves["incumbent test by seconds"] = [[t, v] for t, v in zip(accumulate(times), values, strict=True)]
    cost: dict[str, float] = {"trials": float(len(values))}
    spent = sum(float(t) for t in (times or trajectory.get("runtime", []) or []))
    if spent > 0:
        cost["seconds"] = spent
    valid = [float(v) for v in trajectory.get("valid_acc", []) or [] if float(v) >= 0]
    kind = "random_search" if str(method).lower().replace("-", "_") in _RANDOM_SEARCH else "search"
    return Record(
        kind=kind,
        algorithm="random" if kind == "random_search" else str(method),
        space=str(where),
        fingerprint=digest(["naslib", str(where).lower()]),
        task=f"naslib:{data}",
        protocol={"source": "naslib", "data": {"name": str(data)}, "metric": "test"},
        metric="test",
        metrics={"test": values[-1], **({"valid": valid[-1]} if valid else {})},
        search_seed=seed,
        arch=arch,
        budget={"trials": float(len(values))},
        cost={"search": cost},
        curves=curves,
        settings={"file": path.name},
    )


def _parts(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and trajectory."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JudgeError(f"records: got {str(path)!r}, which does not exist; allowed: a file; check the path") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise JudgeError(f"{path.name}: got a file that is not JSON ({error}); allowed: errors.json of NASLib") from None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, dict) for v in value):
        return value[0], value[1]
    if isinstance(value, dict) and ("test_acc" in value or "arch_eval" in value):
        return {}, value
    raise JudgeError(f"{path.name}: got another form than NASLib writes; allowed: a trajectory with 'test_acc', or [settings, trajectory]")


def _incumbents(path: Path, trajectory: Mapping[str, Any], dataset: str) -> tuple[list[float], str | None]:
    """Test accuracy of the incumbent after each step, and the last architecture if it is in the file."""
    values = [float(v) for v in trajectory.get("test_acc", []) or []]
    picks = trajectory.get("arch_eval") or []
    arch = picks[-1].get("arch") if picks and isinstance(picks[-1], Mapping) else None
    if not values and picks:
        values = [_table_answer(path, p, dataset) for p in picks]
    if not values or any(v < 0 or not math.isfinite(v) for v in values):
        raise JudgeError(
            f"{path.name}: got {'no' if not values else 'a negative'} test accuracy; allowed: runs whose incumbents were looked up or "
            "trained; a one-shot search writes none until its pick is evaluated"
        )
    return values, arch


def _table_answer(path: Path, pick: Mapping[str, Any], dataset: str) -> float:
    answers: Sequence[str] = [k for k in pick if isinstance(pick[k], Mapping)]
    wanted = next((k for k in answers if k.lower() == dataset.lower()), None)
    if wanted is None or "test_accuracy" not in pick[wanted]:
        raise JudgeError(f"{path.name}: got no test accuracy on {dataset!r}; allowed: one of {', '.join(answers)}; name it by dataset=")
    return float(pick[wanted]["test_accuracy"])

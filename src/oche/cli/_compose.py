"""From the words of a command to the objects of the library: seeds, budgets, algorithms, tasks. The one grammar of settings.

Everything is checked here, before any work starts, so that `--dry-run` finds what a real run would find.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from urllib.parse import quote

from oche.errors import ArgumentError, BudgetError, unknown
from oche.loop.registry import canonical, parse


def seeds(text: str) -> int | list[int]:
    """`5` is a count, `0,3,7` a list (`3,` a list of one)."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or len(set(numbers)) != len(numbers):
        raise ArgumentError(f"--seeds: got {text!r}; allowed: a count such as 5, or different seeds such as 0,3,7")
    if "," in text:
        return numbers
    if numbers[0] < 1:
        raise ArgumentError(f"--seeds: got {text!r}; allowed: a count of at least 1, or a list such as 0,")
    return numbers[0]


def settings(text: str | None, option: str) -> dict[str, Any]:
    """`epochs=20,lr=0.1` (or with `&`) as typed values."""
    if not text:
        return {}
    try:
        return parse("settings?" + "&".join(_split(text)))[1]
    except ArgumentError:
        raise ArgumentError(f"{option}: got {text!r}; allowed: key=value,key=value") from None


def _split(text: str) -> list[str]:
    """Parts between commas or ampersands, except commas inside brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "[{(") - (sign in "]})")
        if sign == "&" or (sign == "," and depth == 0):
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def budget(text: str | None) -> Any:
    """`trials=40,seconds=120` as a `Budget`; None for the algorithm's own plan."""
    limits = settings(text, "--budget")
    if not limits:
        if text is not None:
            raise BudgetError(f"--budget: got {text!r}; allowed: limits such as trials=40,seconds=120")
        return None
    from oche.loop.contracts import Budget

    allowed = [f.name for f in fields(Budget)]
    for unit, value in limits.items():
        if unit not in allowed:
            raise unknown("unit of --budget", unit, allowed)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BudgetError(f"--budget: got {unit}={value!r}; allowed: a number above 0")
    return Budget(**limits)


def executor(text: str) -> dict[str, Any]:
    """`processes?workers=2&seconds=60` as arguments of a search: executor, workers, limits per trial."""
    from oche.loop import Limits

    name, given = parse(text)
    allowed = ("serial", "processes", "ray")
    found = next((a for a in allowed if canonical(a) == canonical(name)), None)
    if found is None:
        raise unknown("executor", name, allowed)
    for key in given:
        if key not in ("workers", "seconds", "memory_bytes"):
            raise unknown(f"setting of executor {found!r}", key, ("workers", "seconds", "memory_bytes"))
    workers = given.pop("workers", None)
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ArgumentError(f"executor workers: got {workers!r}; allowed: a whole number from 1")
    return {"executor": found, "workers": workers, "limits": Limits(**given) if given else None}


def algorithm(text: str | None, **parts: str | None) -> str:
    """The text of an algorithm, with `mixer`, `scheme` and `weighting` put into its settings, checked by making it once.

    Args:
        text: Name and settings; None: `one-shot` if any part is given, else `regularized-evolution`.
        **parts: Texts of a mixer, a scheme, a weighting; None for the algorithm's own.

    Raises:
        ArgumentError: a part for an algorithm that has its own.
    """
    import oche

    given = {key: value for key, value in parts.items() if value is not None}
    text = text or ("one-shot" if given else "regularized-evolution")
    if "mixer" in given and canonical(parse(text)[0]) != "oneshot":
        raise ArgumentError(f"--mixer: got it with algorithm {text!r}; allowed: with 'one-shot', which is any mixer with any scheme")
    if given and not hasattr(oche.algorithms.get(text), "advance"):
        raise ArgumentError(
            f"--{next(iter(given))}: got it with algorithm {text!r}, which trains no supernet; "
            "allowed: algorithms that do, such as 'darts', 'pc-darts', 'rarts' and 'one-shot'"
        )
    for noun, value in given.items():
        {"mixer": oche.mixers, "scheme": oche.schemes, "weighting": oche.weightings}[noun].registry.get(value)
    for noun in given:
        if noun in parse(text)[1]:
            raise ArgumentError(f"--{noun}: got it with algorithm {text!r}, which names one; allowed: one of the two")
    if given:
        text += ("&" if "?" in text else "?") + "&".join(f"{key}={quote(value, safe='')}" for key, value in given.items())
    oche.algorithms.get(text)
    return text


def constraint(max_params: int | None, max_macs: int | None, where: str | None, task: Any = None) -> Any:
    """A constraint from `--max-params`, `--max-macs` and `--where`, or None if none is given.

    Raises:
        ArgumentError: multiply-adds without data that says the size of an input, or another setting of `--where` than `of`.
    """
    from oche.loop import Constraint

    given: dict[str, Any] = {"max_params": max_params, "max_macs": max_macs}
    if where is not None:
        from oche.cli._program import load_program

        target, found = parse(where)
        if set(found) - {"of"}:
            raise ArgumentError(f"--where: got {where!r}; allowed: file.py:function, or file.py:function?of=decisions")
        given["where"] = load_program(target)[0]
        given.update(found)
    if not any(value is not None for value in given.values()):
        return None
    if max_macs is not None:
        shape = getattr(getattr(task, "data", None), "shape", None)
        if shape is None:
            raise ArgumentError(
                "--max-macs: got it without the size of an input; allowed: together with --data; use --max-params or --where"
            )
        given["input_size"] = tuple(shape)
    return Constraint(**given)


def prior(text: str | None, space: Any) -> Any:
    """The prior of a JSON file, checked against the space; None if there is none."""
    from oche.loop.priors import as_prior

    found = as_prior(text)
    if found is not None:
        found.check(space)
    return found


def task(
    text: str | None,
    data: str | None,
    recipe: str | None = None,
    search_recipe: str | None = None,
    final: str | None = None,
    device: str | None = None,
    objectives: str | None = None,
) -> Any:
    """A task from `--task` and `--data`: `--data digits` alone is a classification; `--objectives` searches it by several metrics.

    Raises:
        ArgumentError: neither is given.
        UnknownNameError: no such task, data set or setting.
    """
    import oche

    if text is None and data is None:
        raise ArgumentError("task: got neither --data nor --task; allowed: one of them; for example --data digits")
    name, given = parse(text or "classification")
    given.update({"data": data} if data is not None else {})
    if objectives is not None:
        given["objectives"] = objectives
    if canonical(name) == "classification":
        return oche.tasks.get(name, **given, **_training(given, recipe, search_recipe, final, device))
    if recipe is not None or search_recipe is not None or final is not None:
        raise ArgumentError(f"task {name!r}: got --recipe, --search-recipe or --final; allowed: with a classification only")
    return oche.tasks.get(name, **given)


def _training(
    given: dict[str, Any], recipe: str | None, search_recipe: str | None, final: str | None, device: str | None
) -> dict[str, Any]:
    """What the options say of the training of a classification task."""
    import oche

    found: dict[str, Any] = {}
    for key, value in (("recipe", recipe), ("search_recipe", search_recipe)):
        if value is not None and "=" in value.partition("?")[0]:
            # Settings without a name change the preset of the data set.
            plain = oche.tasks.classification(given.get("data", "digits"))
            found[key] = plain.recipe.derive(**settings(value, f"--{key.replace('_', '-')}"))
        elif value is not None:
            found[key] = value
    if final is not None:
        found["final"] = settings(final, "--final")
    if device is not None:
        found["device"] = device
    return found

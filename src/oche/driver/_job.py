"""Program, task and flow, made to fit each other before anything is spent."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from oche import algorithms, flows
from oche.errors import SpaceError
from oche.files import digest
from oche.loop.constraints import as_constraint, constrained
from oche.loop.priors import Prior, with_prior
from oche.loop.registry import parse
from oche.loop.warm_start import KnownTrials, warm_started
from oche.program import Space, as_space
from oche.tasks import as_task, fitted


class Job:
    """Program, task and flow, made to fit each other."""

    def __init__(self, program: Any, task: Any, flow: Any, arguments: Mapping[str, Any], constraint: Any = None) -> None:
        self.known: KnownTrials | None = None
        self.prior: Prior | None = None
        self.constraint = as_constraint(constraint)
        self.task = as_task(task)
        self.flow = flows.get(flow)
        space = fitted(_space_of(program, arguments), self.task)
        if not space.points:
            raise SpaceError(f"program {space.name!r}: got no choices; allowed: a program with at least one, see oche.oneof")
        self.space = space
        self.source = _source_digest(space.program)

    def protocol(self) -> dict[str, Any]:
        """What records must share to be compared: the task, the size of the program, and what members must be like."""
        shared = {**self.task.describe(), "arguments": _plain_arguments(self.space.arguments)}
        return shared if self.constraint is None else {**shared, "constraint": self.constraint.describe()}

    def help(self, algorithm: Any) -> Any:
        """`algorithm` with what it is told beside its trials: known trials, a prior, a constraint."""
        return constrained(with_prior(warm_started(algorithm, self.known), self.prior), self.constraint)

    def helped(self) -> dict[str, Any]:
        """What an algorithm is told beside its trials, as JSON; nothing for most searches."""
        found = {"warm_start": self.known, "prior": self.prior}
        return {key: value.describe() for key, value in found.items() if value is not None}

    def identity(self, algorithm: str, mode: str) -> dict[str, Any]:
        """What makes two runs the same run, apart from seed and budget."""
        return {
            "mode": mode,
            "space": self.space.name,
            "fingerprint": self.space.fingerprint,
            "source": self.source,
            "algorithm": algorithm,
            "flow": flows.text(self.flow),
            "protocol": self.protocol(),
            **(self.helped() if mode == "search" else {}),
        }


def _space_of(program: Any, arguments: Mapping[str, Any]) -> Space:
    if isinstance(program, str):
        from oche import spaces

        return spaces.get(program, **arguments)
    if isinstance(program, Space):
        return program.with_arguments(**arguments) if arguments else program
    return as_space(program, **arguments)


def algorithm_text(algorithm: Any) -> str:
    """The algorithm as a record names it: `name` or `name?key=value` with the registered name."""
    if isinstance(algorithm, str):
        name, settings = parse(algorithm)
        name = algorithms.registry.entry(name).name
    else:
        kind = algorithm if isinstance(algorithm, type) else type(algorithm)
        name = getattr(algorithm, "name", None) or kind.__name__
        settings = {} if isinstance(algorithm, type) else dict(getattr(algorithm, "settings", {}))
    shown = "&".join(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in sorted(settings.items()) if v is not None)
    return f"{name}?{shown}" if shown else name


def _plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, (bool, int, float, str, type(None))) else repr(v) for k, v in sorted(arguments.items())}


def _source_digest(program: Any) -> str | None:
    """Hash of the program's source text, None where there is none to read (interactive sessions, data)."""
    try:
        return digest(inspect.getsource(program))[:16]
    except (TypeError, OSError):
        return None

"""Kills a command of `oche` by SIGKILL at random moments, many times in one run, and compares what is left with an unbroken run.

    python -m tests.kills --kills 20 -- diversity 'stax?population=20' --env point --budget 4000 --against ''

Every attempt is a fork of a process that has imported what a run needs, so that it starts at once and is killed at work. It goes on in the
same store; how long it lives is drawn so that the kills spread over the whole run. Prints JSON, and exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STORE, OUT = "runs.db", "out"
# What measures time, or names a process: of no run two are equal.
_TIMES = ("seconds", "cpu_seconds")


def attempt(folder: Path, words: Sequence[str], seconds: float | None, strike: str = "", modules: Path | None = None) -> tuple[bool, float]:
    """Run the command in a process of its own; returns whether it was killed, and how long it lived.

    Args:
        folder: Where store and results are.
        words: Words after `oche`.
        seconds: When it is killed; None: it runs to its end.
        strike: `event:n`: it kills itself at the n-th event of this name of any run.
        modules: File to which the names of all modules are written at the end.
    """
    begun = time.monotonic()
    child = os.fork()
    if not child:
        _run(folder, words, strike, modules)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        lived = time.monotonic() - begun
        if done:
            break
        if seconds is not None and lived >= seconds:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True, lived
        time.sleep(0.002)
    if strike and os.WIFSIGNALED(status):
        return True, lived
    if status:
        raise RuntimeError((folder / "errors.txt").read_text()[-2000:])
    return False, lived


def _run(folder: Path, words: Sequence[str], strike: str, modules: Path | None) -> None:
    code = 1
    try:
        for number, name in ((1, "output.txt"), (2, "errors.txt")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        if strike:
            _arm(strike)
        from oche.cli import main

        main([*words, "--store", str(folder / STORE), "--out", str(folder / OUT), "--quiet"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        if modules is not None and not code:
            modules.write_text(json.dumps(sorted(name for name in sys.modules if name != "__main__")))
    finally:
        os._exit(code)


def _arm(strike: str) -> None:
    """Make runs of this process kill it at an event."""
    from oche.loop.run import Run

    name, _, number = strike.partition(":")
    left, notify = int(number), Run.notify

    def dying(self: Any, event: str) -> None:
        nonlocal left
        left -= event == name
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        notify(self, event)

    Run.notify = dying  # type: ignore[method-assign]


def progress(folder: Path) -> int:
    """How far all runs in the store are: evaluations told, and steps of those that share weights."""
    from oche.store.store import Store

    if not (folder / STORE).exists():
        return 0
    found = 0
    with Store(folder / STORE) as store:
        for row in store.runs():
            found += row.told
            if row.kind != "asktell":
                saved = store.load(row.id)
                found += max((c.step for c in saved.checkpoints), default=0) if saved is not None else 0
    return found


def _timed(folder: Path, words: Sequence[str]) -> tuple[float, float]:
    """Run the command to its end; seconds until its first run begins, and from there until its last one ends."""
    from oche.store.store import Store

    folder.mkdir()
    begun = time.time()
    attempt(folder, words, None)
    with Store(folder / STORE) as store:
        rows = store.runs()
    first = min(row.created for row in rows)
    return max(0.0, first - begun), max(row.updated for row in rows) - first


def everything(folder: Path) -> dict[str, Any]:
    """Hashes of all that a run leaves but times: records, proposals, results, states, files of checkpoints, pictures."""
    from oche.loop.workbench import load_state
    from oche.store.record import Record
    from oche.store.store import Store

    lines = (folder / OUT / "records.jsonl").read_text().splitlines()
    found: dict[str, Any] = {"records": [Record.from_json(json.loads(line)).content_hash() for line in lines]}

    def untimed(text: str) -> Any:
        return _timeless(json.loads(text.replace(str(folder), "FOLDER")))

    with Store(folder / STORE) as store:
        for row in sorted(store.runs(), key=lambda r: (r.name, r.seed)):
            saved = store.load(row.id)
            assert saved is not None
            trials = [
                (t.proposal, t.replicate, t.phase, t.told, t.status, t.reward, t.zone, t.metrics, untimed(t.more), untimed(t.cost))
                for t in sorted(saved.trials, key=lambda t: (t.phase, t.proposal, t.replicate))
            ]
            parts = {
                "proposals": [(p.id, p.dna, p.count, untimed(p.info)) for p in saved.proposals],
                "trials": trials,
                "state": row.state,
                "checkpoints": [(c.step, c.boundary, c.path) for c in saved.checkpoints],
            }
            found[f"{row.name}, seed {row.seed}"] = {what: _digest(part) for what, part in parts.items()} | {"trials told": row.told}
    # The bytes of such a file hold the name under which it was written first; what it holds must be equal.
    files = sorted((folder / f"{STORE}.files").rglob("*.pt"))
    found["files"] = {str(p.relative_to(folder)): _digest(_plain(load_state(str(p)))) for p in files}
    for path in sorted(folder.glob(f"{OUT}/**/*.json")):
        if "portraits" in path.parts or path.name == "behavior.json":
            found[path.name] = _digest(path.read_text())
    return found


def _plain(value: Any) -> Any:
    """Tensors as their bytes, for a digest."""
    if hasattr(value, "numpy"):
        return [str(value.dtype), list(value.shape), hashlib.sha256(value.numpy().tobytes()).hexdigest()]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in _TIMES}
    return [_timeless(v) for v in value] if isinstance(value, list) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def compare(folder: Path, words: Sequence[str], kills: int, seed: int = 0, others: Sequence[str] = (), strike: str = "") -> dict[str, Any]:
    """Run a command unbroken and killed.

    Args:
        folder: An empty one.
        words: Words after `oche`, without store and output.
        kills: How often one run is killed.
        seed: Of the moments.
        others: Words of every eighth attempt more, for example another executor.
        strike: Event at which every third attempt kills itself, instead of at a random moment.

    Returns:
        `kills`, `told`: how far the runs were after each kill of the last one, `equal`, `different`: what is not equal.
    """
    whole, broken = folder / "unbroken", folder / "broken"
    whole.mkdir()
    broken.mkdir()
    modules = folder / "modules.json"
    attempt(whole, words, None, modules=modules)
    _import_all(json.loads(modules.read_text()))
    # The times of runs that need not import anything: to the first row of the store, and from there to the last.
    more = {"again": (), **({"others": others} if others else {})}
    times = {name: _timed(folder / name, [*words, *extra]) for name, extra in more.items()}
    seconds, total = times["again"][1], progress(whole)
    rng = random.Random(seed)
    told, number, lead, earlier = [0], 0, 0.0, 0
    while earlier + len(told) <= kills:
        number += 1
        if number > 3 * kills + 5:
            raise RuntimeError(f"{earlier + len(told) - 1} of {kills} kills in {number} attempts")
        if strike and number % 3 == 0:
            killed, _ = attempt(broken, words, None, f"{strike}:{rng.randint(1, 2)}")
        else:
            # Not quite to the end, so that it does not end before its last kill.
            aim = 0.75 * (len(told) - rng.random()) / kills
            wanted = max(0.02 * seconds, (aim - told[-1] / total) * seconds) + lead
            kind = "others" if others and number % 8 == 1 else "again"
            start, slower = times[kind][0], times[kind][1] / seconds
            killed, _ = attempt(broken, [*words, *more[kind]], start + slower * wanted * rng.uniform(0.4, 1.3))
        if not killed:
            # It was quicker than thought and has ended: what it left must be right; then a new run takes the kills.
            if everything(broken) != everything(whole):
                break
            broken = folder / f"broken{number}"
            broken.mkdir()
            # Who strikes at events cannot know how many there will be: there, kills count over all runs.
            earlier += len(told) - 1 if strike else 0
            told, lead = [0], 0.0
            continue
        told.append(progress(broken))
        # What came after the last checkpoint is done again first: as long as nothing comes forward, the next one lives longer.
        lead = lead + 0.03 * seconds if told[-1] == told[-2] else 0.0
    attempt(broken, words, None)
    expected, left = everything(whole), everything(broken)
    different = sorted(key for key in {*expected, *left} if expected.get(key) != left.get(key))
    same = all(everything(folder / name) == expected for name in more)
    return {"kills": earlier + len(told) - 1, "told": told[1:], "of": total, "seconds": round(seconds, 2), "equal": not different and same,
            "different": different, "runs": len([k for k in expected if ", seed " in k])}  # fmt: skip


def _import_all(names: Sequence[str]) -> None:
    """Import what a run has imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            try:
                importlib.import_module(name)
            except Exception:  # some are no files, or made on the way
                continue


def main() -> int:
    """Compare, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="An empty folder; a temporary one by default.")
    parser.add_argument("--others", default="", help="Words that every eighth attempt has more.")
    parser.add_argument("--strike", default="", help="Event of a run at which every third attempt kills itself.")
    parser.add_argument("words", nargs="+", help="Words after 'oche', behind '--'.")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.folder is None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            found = compare(Path(folder), given.words, given.kills, given.seed, given.others.split(), given.strike)
    else:
        given.folder.mkdir(parents=True, exist_ok=True)
        found = compare(given.folder, given.words, given.kills, given.seed, given.others.split(), given.strike)
    print(json.dumps(found))
    return 0 if found["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())

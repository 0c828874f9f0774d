"""One program file, six algorithms, four flows: is the program ever edited?

Declared before anything was run: every arm is one call of `oche.search` with the same arguments but `algorithm` and `flow`, texts both.
The hash of `program.py` is taken anew before and after each call, and the plain use of the class (its initial weights, its output) must
be the same bit for bit. Weight sharing trains all candidates at once, so that flows over parts do not apply to it, and the hybrid flow
needs an algorithm that takes trials it did not ask for, which a sweep is not: those arms must be refused by a message. Everything is
done twice, and both rounds must agree in every trial and every result. No accuracy is compared: one seed and two epochs say nothing.

    python experiments/decoupling/run.py     # two minutes
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import time
from pathlib import Path
from typing import Any

import torch
from program import Net

import oche

HERE = Path(__file__).parent
PROGRAM = HERE / "program.py"
ALGORITHMS = ("random", "sweep", "regularized-evolution?population=2", "reinforce", "rsps", "darts")
FLOWS = ("joint", "separate?first=op0", "factorized?outer=op0&outer_trials=3", "hybrid?outer=op0&outer_trials=3")
ARGUMENTS: dict[str, Any] = {
    "program": Net,
    "algorithm": "random",
    "task": oche.tasks.classification("digits", recipe="digits?epochs=2", device="cpu"),
    "flow": "joint",
    # 24 children of two epochs, or a supernet of 48; a part of a flow gets three at least, hence the population of 2.
    "budget": oche.Budget(trials=24, epochs=48),
    "seeds": [0],
    "progress": False,
}


def digest() -> str:
    """SHA-256 of the program file as it lies on the disk."""
    return hashlib.sha256(PROGRAM.read_bytes()).hexdigest()


def plain() -> tuple[str, str]:
    """What the class is without any search: hashes of its initial weights and of its output."""
    torch.manual_seed(0)
    net = Net().eval()
    with torch.no_grad():
        shown = net(torch.linspace(0, 1, 2 * 64).reshape(2, 1, 8, 8))
    weights = b"".join(value.numpy().tobytes() for value in net.state_dict().values())
    return hashlib.sha256(weights).hexdigest()[:12], hashlib.sha256(shown.numpy().tobytes()).hexdigest()[:12]


def run(algorithm: str, flow: str) -> tuple[Any, ...]:
    """One arm: hash before and after, plain use after, points that were tried, the result or the refusal."""
    arguments = {**ARGUMENTS, "algorithm": algorithm, "flow": flow}
    before = digest()
    try:
        runs = oche.search(**arguments)
    except oche.errors.OcheError as error:
        return before, digest(), plain(), None, str(error)
    found = runs.best
    tried = tuple(trial.dna.flat for trial in runs[0].trials)
    return before, digest(), plain(), tried, (tuple(found.decisions.values()), found.record.value, found.record.cost["search"]["epochs"])


def table(rounds: list[dict[tuple[str, str], tuple[Any, ...]]]) -> list[str]:
    """A line per arm, then what held for all of them."""
    arms = rounds[0]
    lines = [f"{'algorithm':35} {'flow':36} {'program':13} {'tried':5}  {'found':30} {'test %':>6} {'epochs':>6}"]
    for (algorithm, flow), (_, after, _, tried, said) in arms.items():
        line = f"{algorithm:35} {flow:36} {after[:12]}  "
        if tried is None:
            lines.append(f"{line}{'-':>5}  refused: {said}")
            continue
        decisions, value, epochs = said
        children = "all" if hasattr(oche.algorithms.get(algorithm), "advance") else len(tried)
        lines.append(f"{line}{children:>5}  {', '.join(decisions):30} {value:6.1f} {epochs:6.0f}")
    hashes = {digest for arm in arms.values() for digest in arm[:2]}
    ran = sum(arm[3] is not None for arm in arms.values())
    return [
        *lines,
        "",
        f"arms: {len(arms)}, of which {ran} ran and {len(arms) - ran} were refused",
        f"different hashes of program.py: {len(hashes)} ({', '.join(sorted(hashes))})",
        f"different plain uses of the class: {len({arm[2] for arm in arms.values()})}",
        f"arms in which the two rounds differ: {sum(rounds[0][arm] != rounds[1][arm] for arm in arms)}",
    ]


def main() -> None:
    """Run every arm twice, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, default=HERE / "results.txt")
    options = parser.parse_args()
    begin = time.process_time()
    rounds = []
    for number in range(2):
        rounds.append({})
        for algorithm in ALGORITHMS:
            for flow in FLOWS:
                rounds[-1][algorithm, flow] = run(algorithm, flow)
                logging.info("round %d: %s in %s", number, algorithm, flow)
    lines = table(rounds)
    options.results.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    logging.info("%.0f processor seconds", time.process_time() - begin)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("oche").setLevel(logging.WARNING)
    main()

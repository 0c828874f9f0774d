"""Graded answers a second and the worst latency, beside Math-Verify, in one run and interleaved.

Ordinary answers and pathological ones are measured apart: a grader that needs its whole limit for each of the latter would hide what the
former cost. Math-Verify stands here three times: in this process with its own limit, an alarm signal; the same in a process pool of the
standard library, which is how it is called from threads; and without its limit in the worker processes of oche. Each side has one
worker, and loading it is not measured. A ratio above 1 is faster than Math-Verify in this process.

Run `python benchmarks/grading.py`; it takes less than a minute.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from oche.rejection import graders

Pairs = Sequence[tuple[str, str]]
#: What a side says of one response: seconds, and whether it is right.
Said = tuple[float, bool]

_LIMIT = 1
_FORMS = (("\\frac{{{0}}}{{8}}", "{0}/8"), ("{0}", "{0}"), ("{0}\\sqrt{{5}}", "\\sqrt{{5}}\\cdot {0}"), ("x^2-{0}", "x^2-{0}"))
_PATHOLOGICAL = (
    r"\boxed{10^{10^{10}}!}",
    "\\boxed{" + "{" * 200 + "1" + "}" * 200 + "}",
    "\\boxed{" + "{" * 5000 + "1" + "}" * 5000 + "}",
    "\\boxed{" + "1+" * 500_000 + "1}",
    "\\boxed{" + "1" * 1_000_000 + "}",
)
_WARM = (r"\boxed{\int_0^1 x dx}", "0.5")


def ordinary(n: int) -> list[tuple[str, str]]:
    """Right responses and their references: fractions, integers, roots, polynomials."""
    forms = [_FORMS[i % len(_FORMS)] for i in range(n)]
    return [(f"so \\boxed{{{answer.format(i + 1)}}}.", reference.format(i + 1)) for i, (reference, answer) in enumerate(forms)]


def math_verify(pair: tuple[str, str]) -> Said:
    """Math-Verify in this process, with its own limit for each of its steps."""
    import logging

    from math_verify import parse, verify

    for name in ("math_verify", "latex2sympy2_extended"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    response, reference = pair
    begun = time.perf_counter()
    wanted = parse(f"\\boxed{{{reference}}}", parsing_timeout=_LIMIT)
    right = verify(wanted, parse(response, parsing_timeout=_LIMIT), timeout_seconds=_LIMIT)
    return time.perf_counter() - begun, bool(right)


def ours(grader: graders.Grader, pairs: Pairs) -> list[Said]:
    """A grader of oche."""
    return [(grade.seconds, grade.correct) for grade in grader.grade_many(pairs)]


@dataclass
class Row:
    """What was measured of one side."""

    seconds: list[float] = field(default_factory=list)
    worst: float = 0.0
    right: int = 0


def measure(sides: dict[str, Callable[[Pairs], list[Said]]], pairs: Pairs, repeats: int) -> dict[str, Row]:
    """Every side on the same responses, in turn, `repeats` times."""
    rows = {name: Row() for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            begun = time.perf_counter()
            said = run(pairs)
            rows[name].seconds.append(time.perf_counter() - begun)
            rows[name].worst = max(rows[name].worst, *(seconds for seconds, _ in said))
            rows[name].right = sum(right for _, right in said)
    return rows


def show(title: str, rows: dict[str, Row], n: int, beside: str) -> None:
    """Print one part of the table."""
    print(f"\n{title}: {n} responses, limit {_LIMIT} s")
    print(f"{'':34}{'per second':>14}{'worst, s':>10}{'right':>7}  ratio, median [lowest, highest]")
    for name, row in rows.items():
        ratios = [a / b for a, b in zip(rows[beside].seconds, row.seconds, strict=True)]
        rate = n / statistics.median(row.seconds)
        spread = f"{statistics.median(ratios):,.2f} [{min(ratios):,.2f}, {max(ratios):,.2f}]"
        print(f"{name:34}{rate:14,.1f}{row.worst:10.4f}{row.right:7}  {spread}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="ordinary responses")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of the ordinary ones")
    parser.add_argument("--pathological-repeats", type=int, default=2, help="rounds of the pathological ones, some 20 s each")
    given = parser.parse_args()
    with ExitStack() as stack:
        strict = stack.enter_context(graders.get("strict", timeout=_LIMIT))
        behind = stack.enter_context(graders.get("math-verify", timeout=_LIMIT))
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
        beside = "Math-Verify, this process"
        sides: dict[str, Callable[[Pairs], list[Said]]] = {
            beside: lambda pairs: [math_verify(pair) for pair in pairs],
            "Math-Verify, pool of Python": lambda pairs: list(pool.map(math_verify, pairs, chunksize=8)),
            "oche math-verify, pool of oche": lambda pairs: ours(behind, pairs),
            "oche strict": lambda pairs: ours(strict, pairs),
        }
        for run in sides.values():
            run([_WARM])
        show("ordinary", measure(sides, ordinary(given.n), given.repeats), given.n, beside)
        hard = [(response, "5") for response in _PATHOLOGICAL]
        show("pathological", measure(sides, hard, given.pathological_repeats), len(hard), beside)


if __name__ == "__main__":
    main()

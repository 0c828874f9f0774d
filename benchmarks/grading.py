"""Graded answers a second and the worst latency, beside Math-Verify alone and in a pool, in one run and interleaved.

Math-Verify alone is called in this process with its own time limit. Run `python benchmarks/grading.py`.
"""

from __future__ import annotations

import argparse
import statistics
import time

from oche.rejection import graders

_FORMS = (("\\frac{{{0}}}{{8}}", "{0}/8"), ("{0}", "{0}"), ("{0}\\sqrt{{5}}", "\\sqrt{{5}}\\cdot {0}"), ("x^2-{0}", "x^2-{0}"))
#: The second one keeps Math-Verify busy until its limit.
_PATHOLOGICAL = (("\\boxed{" + "{" * 200 + "1" + "}" * 200 + "}", "1"), (r"\boxed{10^{10^{10}}!}", "1"))


def cases(n: int) -> list[tuple[str, str]]:
    """Responses and references, a few of them pathological."""
    found = []
    for i in range(n):
        reference, answer = _FORMS[i % len(_FORMS)]
        found.append((f"so \\boxed{{{answer.format(i + 1)}}}.", reference.format(i + 1)))
    return [*found, *_PATHOLOGICAL]


def ours(name: str, pairs: list[tuple[str, str]]) -> tuple[float, float]:
    """Seconds in all and the worst latency of a grader of oche; its workers are started before."""
    with graders.get(name) as grader:
        grader.grade_many([(r"\boxed{\int_0^1 x dx}", "0.5")])
        begun = time.perf_counter()
        grades = grader.grade_many(pairs)
        return time.perf_counter() - begun, max(g.seconds for g in grades)


def alone(pairs: list[tuple[str, str]]) -> tuple[float, float]:
    """Seconds in all and the worst latency of Math-Verify in this process."""
    import logging

    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    worst, begun = 0.0, time.perf_counter()
    for response, reference in pairs:
        at = time.perf_counter()
        verify(parse(f"\\boxed{{{reference}}}", parsing_timeout=2), parse(response, parsing_timeout=2), timeout_seconds=2)
        worst = max(worst, time.perf_counter() - at)
    return time.perf_counter() - begun, worst


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    pairs = cases(given.n)
    sides = {
        "oche strict": lambda: ours("strict?timeout=2", pairs),
        "math-verify in oche's pool": lambda: ours("math-verify?timeout=2", pairs),
        "math-verify alone": lambda: alone(pairs),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    worst: dict[str, float] = dict.fromkeys(sides, 0.0)
    for _ in range(given.repeats):
        for name, run in sides.items():
            spent, late = run()
            seconds[name].append(spent)
            worst[name] = max(worst[name], late)
    for name, found in seconds.items():
        ratios = [a / b for a, b in zip(seconds["math-verify alone"], found, strict=True)]
        rate = len(pairs) / statistics.median(found)
        spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        print(f"{name:28} {rate:9.0f}/s  worst {worst[name]:.3f} s  ratio {spread}")


if __name__ == "__main__":
    main()

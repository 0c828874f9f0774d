"""Samples per second and memory of a synthesis with the Bernoulli sampler; every raw sample is a row afterwards.

Usage: python benchmarks/rejection.py [queries]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import oche

GOAL = 15_000  # samples a second


def main(count: int = 7473) -> int:
    queries = [{"id": str(i), "query": f"1+{i}=", "ref_ans": str(1 + i)} for i in range(count)]
    rates = []
    for repeat in range(3):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            done = oche.rejection.synthesize(
                queries, "bernoulli?beta=0.6,0.6", "prop2diff?k=32", cap=512, store=Path(folder) / "runs.db", progress=False, seeds=[repeat]
            )
            seconds = time.perf_counter() - begun
            rows = sum(1 for _ in done.samples())
            assert rows == done.record().metrics["samples"]
            rates.append(rows / seconds)
            print(f"{rows:,} samples in {seconds:.1f} s: {rates[-1]:,.0f} a second, a row each")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"slowest {min(rates):,.0f}, fastest {max(rates):,.0f} samples a second; peak memory {peak:,.0f} MB; goal {GOAL:,}")
    return 0 if min(rates) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))

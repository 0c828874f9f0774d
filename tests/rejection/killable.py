"""A synthesis as a script: it runs or resumes, says when it started, and prints what it holds at the end.

Usage: killable.py STORE EXECUTOR WORKERS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import oche
from oche.rejection import Bernoulli, Completion, Request

QUERIES = [{"id": f"q{i}", "query": f"1+{i}=", "ref_ans": str(1 + i)} for i in range(60)]


class Slow(Bernoulli):
    """Takes its time, so that a kill finds it at work."""

    simulated = False

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        time.sleep(0.01)
        return super().generate(requests)


def main(store: str, executor: str, workers: str) -> None:
    print("started", flush=True)
    done = oche.rejection.synthesize(
        QUERIES, Slow(), "uniform?k=4", store=store, cap=64, executor=executor, workers=int(workers), parallel=8, progress=False
    )
    rows = [(r.query, r.number, r.verdict, r.distinct, r.text) for r in done.samples()]
    print(json.dumps([rows, done.records[0].content_hash(), done.records[0].cost["search"]["samples"]]))


if __name__ == "__main__":
    main(*sys.argv[1:])

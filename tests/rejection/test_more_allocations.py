"""Allocations that look at what they see: coverage, bands, Thompson sampling; and plans of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import oche
from oche.errors import ArgumentError
from oche.rejection import Allocation, Bernoulli, Thompson, allocations, plan, synthesize
from oche.rejection._budget_optimal import split_for_coverage
from oche.store import Store
from tests.cli.conftest import run_oche
from tests.rejection.test_allocations import asked


class Stopping(Bernoulli):
    """Stops the process's work by an interrupt after so many calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def generate(self, requests):
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        return super().generate(requests)


RATES = np.random.default_rng(1).beta(0.4, 0.8, 300).tolist()


@pytest.mark.parametrize("text", ["coverage?step=2", "thompson?step=2", "budget-optimal?step=2"])
def test_a_budget_is_spent_where_it_covers_more(text):
    vanilla = synthesize(asked(300), Bernoulli(rates=RATES), "vanilla?m=6")
    done = synthesize(asked(300), Bernoulli(rates=RATES), text, budget=oche.Budget(samples=1800))
    assert done.records[0].cost["search"]["samples"] == 1800
    covered = done.records[0].metrics["coverage"]
    assert covered > vanilla.records[0].metrics["coverage"] + 2
    # No split of the budget can cover more than the one that knows the rates, but for the luck of the draw.
    assert covered < 100 * split_for_coverage(RATES, 1800)[1] / 300 + 4


def test_thompson_tries_queries_that_the_mean_would_leave():
    # Told alike, the mean's favorite is always the same; a posterior draw varies.
    space = oche.Space(oche.oneof(["a", "b", "c"], name="query"))
    counts: dict[int, int] = {}
    chosen = Thompson(step=1)
    rng = np.random.default_rng(0)
    chosen.setup(space, rng, oche.Budget(samples=100))
    for proposal in chosen.ask(3):
        metrics = {"samples": 1, "correct": 0, "kept": 0, "tokens": 1}
        chosen.tell([(proposal.id, oche.Feedback(0.0, metrics))])
    for _ in range(60):
        (proposal,) = chosen.ask(1)
        counts[proposal.info["query"]] = counts.get(proposal.info["query"], 0) + 1
        chosen._waiting.add(proposal.info["query"])
    assert set(counts) == {0, 1, 2}
    assert min(counts.values()) > 5


@pytest.mark.parametrize("text", ["coverage", "thompson", "banded?k=2&probe=4&cap=32", "budget-optimal?gain=log"])
def test_any_executor_and_any_stop_give_the_same(text, tmp_path):
    settings = {"allocation": text, "budget": oche.Budget(samples=400), "parallel": 4}
    whole = synthesize(asked(50), "bernoulli", **settings)
    store = tmp_path / "runs.db"
    for stop in (2, 4, 6):
        with pytest.raises(KeyboardInterrupt):
            synthesize(asked(50), Stopping(stop), store=store, **settings)
    more = synthesize(asked(50), "bernoulli", executor="processes", workers=2, store=store, **settings)
    assert list(more.samples()) == list(whole.samples())
    assert more.records[0].content_hash() == whole.records[0].content_hash()


def test_a_larger_budget_goes_on_with_a_finished_run():
    store = Store.memory()
    few = synthesize(asked(50), "bernoulli", "coverage", budget=oche.Budget(samples=150), store=store)
    before = list(few.samples())
    more = synthesize(asked(50), "bernoulli", "coverage", budget=oche.Budget(samples=400), store=store)
    assert len(before) == 150
    assert [r.metrics["samples"] for r in more.records] == [400]
    assert set(before) <= set(more.samples())
    assert [run["samples"] for run in more.report().runs] == [400]


def test_a_band_keeps_what_is_neither_sure_nor_lost():
    rates = [0.0, 0.02, 0.5, 0.4, 0.98, 1.0]
    done = synthesize(asked(6), Bernoulli(rates=rates), "banded?lo=0.2&hi=0.8&k=6&probe=16&cap=256")
    table = done.table()
    assert [line["reason"] for line in table] == ["gave_up", "gave_up", "target", "target", "gave_up", "gave_up"]
    assert [line["target"] for line in table] == [0, 0, 6, 6, 0, 0]
    assert all(line["n"] == 16 for line in (table[0], table[1], table[4], table[5]))
    assert {entry["id"] for entry in done.dataset()} == {"q2", "q3"}
    # A probe is drawn whole: its share is c/n.
    assert table[5]["pass_rate"] == 1.0
    for settings in ("banded?lo=0.9&hi=0.1", "banded?probe=0", "banded?probe=64&cap=32"):
        with pytest.raises(ArgumentError, match=r"band|probe"):
            allocations.get(settings)


def test_an_allocation_of_ones_own_is_a_class_with_a_wish():
    class Even(Allocation):
        """Two responses of every other query."""

        name = "even"

        def want(self, i: int) -> int | None:
            return 2 if i % 2 == 0 else 0

        def keep(self) -> list[int]:
            return [int(self.want(i) or 0) for i in range(self.n)]

    done = synthesize(asked(6), Bernoulli(rates=[0.5] * 6), Even(cap=64))
    assert [line["kept"] for line in done.table()] == [2, 0, 2, 0, 2, 0]


@pytest.mark.parametrize("text", ["budget-optimal?step=2", "coverage?step=2", "thompson?step=2"])
def test_plans_say_what_happens_with_a_budget(text):
    planned = plan(RATES, text, budget=oche.Budget(samples=1800), tokens=100)
    assert (planned.method, planned.samples, planned.tokens) == ("simulated", 1800, 180_000)
    done = [synthesize(asked(300), Bernoulli(rates=RATES), text, budget=oche.Budget(samples=1800), seeds=[s]).records[0] for s in range(4)]
    found = [r.metrics["coverage"] for r in done]
    assert abs(planned.coverage - np.mean(found)) < 3 * np.std(found, ddof=1) * np.sqrt(1 / 3 + 1 / 4) + 0.5


def test_plans_by_simulation_agree_with_the_closed_forms():
    for text in ("uniform?k=3&cap=12", "prop2diff?k=6&cap=24", "vanilla?m=5"):
        closed = plan(RATES, text)
        # A budget that is never met changes nothing but the way.
        other = plan(RATES, text, budget=oche.Budget(samples=10**9), repeats=12)
        assert (closed.method, other.method) == ("closed form", "simulated")
        assert other.samples == pytest.approx(closed.samples, rel=0.03)
        assert other.coverage == pytest.approx(closed.coverage, abs=2)


def test_giving_up_is_planned():
    planned = plan([0.0, 1.0], "uniform?k=4&cap=2048&p_min=0.01&delta=0.05&lot=1")
    assert planned.samples == 298 + 4
    assert planned.coverage == 50


def test_a_plan_refuses_what_it_cannot_know(tmp_path: Any):
    with pytest.raises(ArgumentError, match="samples or tokens"):
        plan([0.5], "coverage", budget=oche.Budget(seconds=3))
    with pytest.raises(ArgumentError, match="never stop"):
        plan([0.5], "coverage")
    with pytest.raises(ArgumentError, match=r"outside \[0, 1\]"):
        plan([1.5], "uniform")
    (tmp_path / "rates.csv").write_text("id,pass_rate\n" + "".join(f"{i},{p}\n" for i, p in enumerate(RATES)))
    done = run_oche("synthesize", "plan", "--pass-rates", "rates.csv", "--allocation", "budget-optimal", "--budget", "samples=600",
                    "--tokens", "50", "--tokens-per-second", "100", "--json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["samples"], found["tokens"], found["seconds"]) == (600, 30_000, 300)

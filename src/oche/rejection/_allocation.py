"""Allocations: how many more samples of which query. They are ask-and-tell algorithms over a finite space, whatever its points are.

One proposal of a query is out at a time. It asks for at most `count` samples and stops at the moment when `need` successes are there;
what comes back is one feedback with the sums. On a space of programs the points are programs, a sample is a trial (a training seed),
and a success is a reward of at least `success`.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Cost, Feedback, Proposal
from oche.program import DNA, Space
from oche.rejection._estimators import _check_give_up, hopeless, pass_rate, posterior_mean

#: Why a query ended.
REASONS = ("open", "target", "cap", "gave_up", "budget", "error")
#: How a response can be graded.
OUTCOMES = ("correct", "wrong", "unparsable", "timed_out")
_TOTALS = (*OUTCOMES, "truncated", "duplicate", "reused")
_MAX_POINTS = 1_000_000
# A query whose sampler failed this often in a row is left alone.
_ERRORS = 3


def repeats(correct: float, distinct: float) -> bool:
    """Whether right responses are nearly all the same: below a tenth new, from 50 right ones on."""
    return correct >= 50 and distinct < 0.1 * correct


class Allocation:
    """Base of all allocations: counts per query, one open proposal each, stop reasons.

    Args:
        cap: Most raw samples of a query; None for no cap.
        p_min, delta: Give a query up when the probability that its pass rate is below `p_min` exceeds 1 - `delta`, under a
            Beta(1, 1) prior; None never gives up.
        lot: Most samples of one proposal.
        success: On a space of programs: the reward from which a trial is a success.
        pilot: Raw samples after which a run without a single right one ends with an error instead of spending the rest; 0 never does.
    """

    name = "allocation"
    finite = True

    def __init__(
        self,
        cap: int | None = None,
        p_min: float | None = None,
        delta: float = 0.05,
        lot: int = 4096,
        success: float = 0.5,
        pilot: int = 1000,
    ) -> None:
        if isinstance(pilot, bool) or not isinstance(pilot, int) or pilot < 0:
            raise ArgumentError(f"pilot: got {pilot!r}; allowed: a whole number, 0 for none")
        self.pilot = pilot
        for key, value in (("cap", cap), ("lot", lot)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ArgumentError(f"{key}: got {value!r}; allowed: a whole number above 0")
        if p_min is not None:
            _check_give_up(p_min, delta)
        self.cap, self.p_min, self.delta, self.lot, self.success = cap, p_min, delta, lot, success

    # -- what a kind of allocation decides ----------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that are not the defaults, for records."""
        given = {"cap": self.cap, "p_min": self.p_min, "delta": self.delta if self.p_min is not None else None}
        return {k: v for k, v in given.items() if v is not None}

    def capped(self, cap: int) -> Allocation:
        """This allocation with another cap.

        Raises:
            ArgumentError: the cap is below 1.
        """
        if isinstance(cap, bool) or not isinstance(cap, int) or cap < 1:
            raise ArgumentError(f"cap: got {cap!r}; allowed: a whole number above 0")
        other = copy.copy(self)
        other.cap = cap
        return other

    def want(self, i: int) -> int | None:
        """Correct responses wanted of query i before it is closed; None if only raw samples count."""
        raise TypeError("an allocation says what it wants")

    def keep(self) -> list[int]:
        """Correct responses that go into the data set, per query, at the end."""
        return [self.want(i) or int(self.kept[i]) for i in range(self.n)]

    # -- ask and tell -------------------------------------------------------------------------------------------------------

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`, whose points are the queries.

        Raises:
            ArgumentError: the space is not finite or too large, or the run would never stop.
        """
        size = space.size
        if not isinstance(size, int) or size > _MAX_POINTS:
            raise ArgumentError(f"allocation {self.name!r}: got a space of {size} points; allowed: at most {_MAX_POINTS:,}")
        if budget is None and self.cap is None and self.p_min is None:
            raise ArgumentError(
                f"allocation {self.name!r}: got no cap, no give-up and no budget, so it would never stop; "
                "allowed: at least one of cap=512, p_min=0.01, or a budget"
            )
        self.space, self.n = space, size
        self.samples = np.zeros(size, np.int64)
        self.correct = np.zeros(size, np.int64)
        self.kept = np.zeros(size, np.int64)
        self.tokens = np.zeros(size, np.int64)
        self.errors = np.zeros(size, np.int64)
        self.reason = np.zeros(size, np.int64)
        self.totals = dict.fromkeys(_TOTALS, 0)
        self.money = 0.0
        # Sums of `samples` and `tokens`, kept since some allocations ask for them at every step.
        self.n_samples = self.n_tokens = 0
        # Per proposal that is out: its query, and the feedbacks still to come.
        self._of: dict[int, list[int]] = {}
        self._asked = 0
        self._queue: deque[int] = deque(range(size))
        self._start()

    def _start(self) -> None:
        """More of `setup`, for a kind of allocation."""

    def next_query(self) -> int | None:
        """The query whose turn it is, taken out of the queue."""
        return self._queue.popleft() if self._queue else None

    def back(self, i: int) -> None:
        """Query i is told and still open."""
        self._queue.append(i)

    def size(self, i: int) -> int:
        """How many samples of query i to ask for: what the rest is expected to take."""
        want = self.want(i)
        rest = math.inf if self.cap is None else self.cap - int(self.samples[i])
        if want is None:
            return int(min(rest, self.lot))
        rate = posterior_mean(self.correct[i], self.samples[i])
        return max(1, int(min(rest, self.lot, math.ceil((want - self.kept[i]) / rate))))

    def ask(self, n: int) -> list[Proposal]:
        """At most `n` proposals, one per query."""
        found = []
        while len(found) < n and (i := self.next_query()) is not None:
            info: dict[str, Any] = {"query": i, "first": int(self.samples[i])}
            want = self.want(i)
            if want is not None:
                info["need"] = int(want - self.kept[i])
            count = self.size(i)
            self._of[self._asked] = [i, count]
            found.append(Proposal(self._asked, self._point(i), count, info))
            self._asked += 1
        return found

    def _point(self, i: int) -> DNA:
        # Ranks of a general space take time with every candidate; a single choice of n things is its own rank.
        return DNA((i,), self.space.fingerprint) if len(self.space.points) == 1 else self.space.at(i)

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Count, and close the queries that are done."""
        for key, feedback in results:
            i = self._of[key][0]
            self._of[key][1] -= self._count(i, feedback)
            if self._of[key][1] > 0:
                continue
            del self._of[key]
            self._close(i)
            if not self.reason[i]:
                self.back(i)
        if self.pilot and not self.totals["correct"] and sum(self.totals[name] for name in OUTCOMES) >= self.pilot:
            # Imported late: warnings know of allocations.
            from oche.rejection._warnings import NothingCorrectError

            raise NothingCorrectError(
                f"allocation {self.name!r}: got no right response; allowed: at least one in {self.pilot:,} raw samples"
            )

    def _count(self, i: int, feedback: Feedback) -> int:
        """Take one feedback; how many of its proposal's it stands for."""
        m, whole = feedback.metrics, 1 << 62
        if "samples" not in m:
            # One trial of a program: each tell is one sample, and the loop sends as many as were asked for.
            whole = 1
        if feedback.reward is None:
            self.errors[i] += 1
            return whole
        self.errors[i] = 0
        if whole == 1:
            hit = int(feedback.scalar >= self.success)
            m = {"samples": 1, "correct": hit, "kept": hit}
        self.samples[i] += int(m["samples"])
        self.correct[i] += int(m["correct"])
        self.kept[i] += int(m["kept"])
        self.tokens[i] += int(m.get("tokens", 0))
        self.n_samples += int(m["samples"])
        self.n_tokens += int(m.get("tokens", 0))
        self.money += feedback.cost.money
        for name in _TOTALS:
            self.totals[name] += int(m.get(name, 0))
        if m.get("exhausted"):
            self.reason[i] = REASONS.index("cap")
        return whole

    def _close(self, i: int) -> None:
        want = self.want(i)
        if want is not None and self.kept[i] >= want:
            reason = "target"
        elif self.reason[i] or (self.cap is not None and self.samples[i] >= self.cap):
            reason = "cap"
        elif self.errors[i] >= _ERRORS:
            reason = "error"
        elif self.p_min is not None and hopeless(int(self.correct[i]), int(self.samples[i]), self.p_min, self.delta):
            reason = "gave_up"
        else:
            return
        self.reason[i] = REASONS.index(reason)

    # -- state --------------------------------------------------------------------------------------------------------------

    _ARRAYS = ("samples", "correct", "kept", "tokens", "errors", "reason")

    def state(self) -> dict[str, Any]:
        """Counts and the queue."""
        arrays = {name: getattr(self, name).tolist() for name in self._ARRAYS}
        of = [[k, *v] for k, v in self._of.items()]
        return {**arrays, "totals": self.totals, "money": self.money, "asked": self._asked, "of": of, "queue": list(self._queue)}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        for name in self._ARRAYS:
            setattr(self, name, np.array(state[name], np.int64))
        self.n_samples, self.n_tokens = int(self.samples.sum()), int(self.tokens.sum())
        self.totals, self.money, self._asked = dict(state["totals"]), state["money"], state["asked"]
        self._of = {k: [i, left] for k, i, left in state["of"]}
        self._queue = deque(state["queue"])

    # -- results ------------------------------------------------------------------------------------------------------------

    def reasons(self) -> list[str]:
        """Stop reason per query; a query that was open when the run ended stopped for the budget."""
        return [REASONS[r] if r else "budget" for r in self.reason.tolist()]

    def rates(self) -> list[Fraction | None]:
        """Unbiased pass rates per query."""
        return [pass_rate(c, n, r) for c, n, r in zip(self.correct.tolist(), self.samples.tolist(), self.reasons(), strict=True)]

    def outcome(self) -> Feedback:
        """What the synthesis ended in: totals as metrics, and one line per query as the curve `queries`.

        Its columns: raw samples, correct, kept (distinct), target, number of the stop reason in `REASONS`, tokens.
        """
        targets, reasons = self.keep(), [REASONS.index(r) for r in self.reasons()]
        # A target of an allocation that counts raw samples only is what it got.
        selected = np.minimum(self.kept, targets)
        raw, covered = int(self.samples.sum()), int((self.kept > 0).sum())
        metrics = {
            "coverage": 100 * covered / self.n, "reached": 100 * float(np.mean(self.kept >= targets)), "kept": float(selected.sum()),
            "samples": float(raw), "tokens": float(self.tokens.sum()), "accept": 100 * float(self.correct.sum()) / max(1, raw),
            "money": self.money, **{name: float(value) for name, value in self.totals.items()},
            "hard_coverage": self._hard_coverage(),
        }  # fmt: skip
        columns = (self.samples, self.correct, self.kept, targets, reasons, self.tokens)
        lines = list(zip(*(list(map(int, c)) for c in columns), strict=True))
        if raw == 0:
            return Feedback(status="failed", reason="no sample was drawn: check the sampler and the budget", cost=Cost())
        return Feedback(float(selected.sum()), metrics, curves={"queries": lines}, cost=Cost())  # type: ignore[arg-type]

    def _hard_coverage(self) -> float:
        """Share (in percent) of the quarter of the queries with the lowest estimated pass rates that keeps a response."""
        order = sorted(range(self.n), key=lambda i: (float(self.rates_cached()[i]), i))[: max(1, self.n // 4)]
        return 100 * sum(int(self.kept[i]) > 0 for i in order) / len(order)

    def rates_cached(self) -> list[Fraction]:
        """`rates`, 0 without samples, computed once at the end."""
        if not hasattr(self, "_rates"):
            self._rates = [r if r is not None else Fraction(0) for r in self.rates()]
        return self._rates

    def share(self) -> float:
        """Closed queries of all."""
        return float(np.count_nonzero(self.reason)) / self.n

    def note(self) -> str:
        """Reached ratio, samples, tokens, price."""
        reached = 100 * float(np.mean(self.reason == REASONS.index("target")))
        money = f" · {self.money:,.2f} spent" if self.money else ""
        closed, right, kept = int(np.count_nonzero(self.reason)), self.totals["correct"], self.totals["correct"] - self.totals["duplicate"]
        same = " · right responses repeat: dedup none?" if repeats(right, kept) else ""
        spent = f"{self.n_samples:,} samples · {self.n_tokens:,} tokens{money}"
        return f"{closed:,} closed, {reached:.0f}% reached · {spent}{same}"

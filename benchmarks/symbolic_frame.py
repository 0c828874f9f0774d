"""How two libraries are timed beside each other: one row, two makers, one ratio.

Both sides run in one process, in turn, for several rounds, and are timed by the process's own processor seconds, so that a busy machine
slows both alike. A row's result is the median over rounds of the ratio of their rates, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: Makes what is timed. It gets the number of calls that follow, prepares what they need outside of the timing, and returns the call.
Maker = Callable[[int], Callable[[], object]]


@dataclass
class Row:
    """One operation, done by both libraries.

    Args:
        name: What is done, for the table and for `--only`.
        ours: Prepares `n` calls of oche and returns the call.
        theirs: The same for the other library; None prints our rate alone.
        target: Least allowed ratio of our rate to theirs; None is only shown.
        per_call: Operations that one call does, to print rates per operation. Both sides must do as many.
        per_call_theirs: The same for the other side where it must do fewer to end in time.
        least_seconds: Processor seconds that one measurement takes at least, if a call is shorter than that.
    """

    name: str
    ours: Maker
    theirs: Maker | None
    target: float | None
    per_call: float = 1.0
    per_call_theirs: float | None = None
    least_seconds: float = 0.05
    rates: list[float] = field(default_factory=list)
    other_rates: list[float] = field(default_factory=list)
    _calls: dict[str, int] = field(default_factory=dict)

    def measure(self) -> None:
        """One round: our side, then theirs."""
        self.rates.append(self._rate("ours", self.ours) * self.per_call)
        if self.theirs is not None:
            other = self.per_call if self.per_call_theirs is None else self.per_call_theirs
            self.other_rates.append(self._rate("theirs", self.theirs) * other)

    def _rate(self, side: str, maker: Maker) -> float:
        if side not in self._calls:
            # The first calls fill caches and imports and say how many calls fill a measurement; they do not count.
            once = max(min(_timed(maker, 1), _timed(maker, 1)), 1e-7)
            self._calls[side] = max(1, min(round(self.least_seconds / once), 200_000))
        calls = self._calls[side]
        return calls / max(_timed(maker, calls), 1e-9)

    @property
    def ratios(self) -> list[float]:
        """Ours divided by theirs, one per round."""
        return [a / b for a, b in zip(self.rates, self.other_rates, strict=True)] if self.other_rates else []

    @property
    def missed(self) -> bool:
        """Whether the median ratio lies below the target."""
        return bool(self.ratios) and self.target is not None and statistics.median(self.ratios) < self.target


def _timed(maker: Maker, calls: int) -> float:
    call = maker(calls)
    gc.collect()
    start = time.process_time()
    for _ in range(calls):
        call()
    return time.process_time() - start


def run(rows: Sequence[Row], argv: Sequence[str] | None = None, title: str = "") -> int:
    """Measure rows, print the table, and say whether a target was missed.

    Args:
        rows: All rows.
        argv: Command line: `--only REGEX`, `--rounds N`; None takes the process's own.
        title: Description for `--help`.

    Returns:
        0, or 1 if a target was missed or no row fits `--only`.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--only", default="", metavar="REGEX", help="rows whose name matches")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side of each row is measured")
    options = parser.parse_args(argv)
    chosen = [row for row in rows if re.search(options.only, row.name)]
    if not chosen:
        print(f"no row matches {options.only!r}; rows: {', '.join(row.name for row in rows)}")
        return 1
    width = max(len(row.name) for row in chosen)
    print(f"{'operations per processor second':<{width}} {'oche':>12} {'other':>12} {'ratio':>9} {'(lowest - highest)':>20}  target")
    for row in chosen:
        for _ in range(options.rounds):
            row.measure()
        print(_line(row, width), flush=True)
    missed = [row.name for row in chosen if row.missed]
    print(f"targets missed: {', '.join(missed)}" if missed else "every target is met")
    return 1 if missed else 0


def _line(row: Row, width: int) -> str:
    ours = f"{statistics.median(row.rates):>12,.4g}"
    if not row.ratios:
        return f"{row.name:<{width}} {ours} {'-':>12} {'-':>9} {'':>20}"
    low, middle, high = min(row.ratios), statistics.median(row.ratios), max(row.ratios)
    spread = f"({low:,.1f} - {high:,.1f})"
    target = "" if row.target is None else f">= {row.target:g} {'MISSED' if row.missed else 'ok'}"
    return f"{row.name:<{width}} {ours} {statistics.median(row.other_rates):>12,.4g} {middle:>9,.1f} {spread:>20}  {target}"

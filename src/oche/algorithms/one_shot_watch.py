"""What a weight-sharing search says of itself after each epoch: accuracies of the supernet, entropy, skips, and the point it stands for.

    epoch 3/50 · train 41.2 % · valid 38.0 % · entropy 0.93 · 2 skips · s3 0, s3 1 | ...

Accuracies are those of the batches as they passed, so a line costs no pass of its own. The lines change nothing of the search. They go to
the log `oche.algorithms` at level INFO, and the latest one stands beside the progress bar; their numbers go to the record (`Trace`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from oche import ranks
from oche.algorithms.one_shot_trace import Trace
from oche.loop.contracts import Problem
from oche.program import DNA, Space
from oche.supernets.network import Supernet

logger = logging.getLogger("oche.algorithms")

#: An operation whose growing number is a sign of collapse. Source: Chu et al. 2020 and Liang et al. 2019 (DARTS+).
SKIP = "skip_connect"

_LONGEST = 120


class EpochWatch:
    """Counts right answers of a supernet while it is trained.

    Args:
        problem: The losses of the search; train with `watch.problem` in place of it.
    """

    def __init__(self, problem: Problem) -> None:
        #: The losses as they were given: what is measured with them is no step of the training, and does not count.
        self.plain = problem
        self.problem = replace(problem, loss=self._loss)
        #: The latest line.
        self.line = ""
        #: What the lines said.
        self.trace = Trace()
        self._right: dict[str, list[int]] = {}
        self._before, self._stage = 0, 0

    def _loss(self, model: Any, batch: Any) -> Any:
        seen = _Seen(model)
        loss = self.plain.loss(seen, batch)
        if seen.output is not None:
            drawn = getattr(getattr(model, "supernet", None), "drawn", None)
            split = "valid" if getattr(drawn, "phase", "weights") == "arch" else "train"
            with torch.no_grad():
                right, n = self.plain.score(lambda *inputs, **named: seen.output, batch)
            counts = self._right.setdefault(split, [0, 0])
            counts[0] += int(right)
            counts[1] += int(n)
        return loss

    def follow(self, before: EpochWatch) -> None:
        """Be the next stage: go on with the history of the watch of the stage before."""
        self.trace, self._before, self._stage = before.trace, before.trace.epoch, before._stage + 1

    def step(
        self,
        net: Supernet,
        step: int,
        n_train: int,
        epochs: float,
        derives: bool,
        more: Mapping[str, float] | None = None,
        last: bool = False,
    ) -> None:
        """Write a line if a step was the last of its epoch, or the last one of all.

        Args:
            net: The supernet.
            step: Steps done so far.
            n_train: Steps of an epoch.
            epochs: Planned epochs, perhaps infinite.
            derives: Whether the logits mean anything.
            more: Other numbers of this epoch, for the history alone.
            last: Whether the training is over.
        """
        if step % n_train and not last:
            return
        planned = f"/{epochs:.3g}" if math.isfinite(epochs) else ""
        counts = {split: ranks.total(*numbers) for split, numbers in sorted(self._right.items())}
        numbers = {split: 100 * right / n for split, (right, n) in counts.items() if n}
        parts = [f"epoch {step / n_train:.3g}{planned}", *(f"{split} {value:.1f} %" for split, value in numbers.items())]
        if derives:
            dna = net.derive()
            decisions = {**net.space.fixed, **net.space.decisions(dna)}
            numbers |= {"entropy": entropy_share(net), "skips": float(count_skips(decisions))}
            parts += [f"entropy {numbers['entropy']:.3f}", f"{count_skips(decisions)} skips", brief(net.space, dna)]
        self._right = {}
        self.line = " · ".join(parts)
        logger.info(self.line)
        stage = {"stage": float(self._stage)} if self._stage else {}
        kept = {name: round(value, 5) for name, value in {**numbers, **(more or {}), **stage}.items()}
        self.trace.add(self._before + math.ceil(step / n_train), kept, net.policy if derives else None)

    def state(self) -> dict[str, Any]:
        """The history, and the counts of the epoch that has begun; what `load` needs."""
        right = {split: list(counts) for split, counts in self._right.items()}
        return {"trace": self.trace.state(), "right": right, "before": self._before, "stage": self._stage}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.trace = Trace()
        self.trace.load(state["trace"])
        self._right = {split: list(counts) for split, counts in state["right"].items()}
        self._before, self._stage = int(state["before"]), int(state["stage"])


def brief(space: Space, dna: DNA) -> str:
    """A point in few words: by the program's own static method `brief` or `architecture`, else its labels."""
    decisions = {**space.fixed, **space.decisions(dna)}
    hook = getattr(space.program, "brief", None) or getattr(space.program, "architecture", None)
    text = str(hook(decisions)) if hook is not None else ", ".join(_label(value) for value in decisions.values())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def count_skips(decisions: Mapping[str, Any]) -> int:
    """How many decisions are a skip; in a space with normal cells those of the normal cell."""
    normal = {key: value for key, value in decisions.items() if key.startswith("normal ")} or decisions
    return sum(value == SKIP for value in normal.values())


def logits_entropy(net: Supernet) -> float | None:
    """Mean entropy of what the logits of each choice say, as a share of the largest: 1 is uniform, 0 is decided; None without logits."""
    shares = []
    with torch.no_grad():
        for key, row in net.policy.rows.items():
            if not row.trained or len(row.labels) < 2:
                continue
            p = net.policy.probabilities(key).double()
            shares.append(-(p * p.clamp_min(1e-300).log()).sum(-1).mean() / math.log(p.shape[-1]))
    return float(torch.stack(shares).mean()) if shares else None


def entropy_share(net: Supernet) -> float:
    """As `logits_entropy`, and without logits of each choice (a controller) the entropy over whole points, as a share of its bound."""
    known = logits_entropy(net)
    if known is None and isinstance(net.space.size, int) and net.space.size > 1:
        with torch.no_grad():
            # An estimate from draws, which may be above its bound.
            known = min(1.0, float(net.policy.entropy()) / math.log(net.space.size))
    return known or 0.0


class _Seen:
    """A model that remembers what it gave last; all else is the model's."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.output: Any = None

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        self.output = self.model(*inputs, **named)
        return self.output

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def _label(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)

"""The contract of weight-sharing algorithms.

Example:
    >>> class TestMine(WeightSharingContract):
    ...     def make_algorithm(self):
    ...         return Mine()
    ...
    ...     def make_space(self):
    ...         return Space(Net)
    ...
    ...     def make_task(self):
    ...         return TinyTask()
"""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np

from oche import seeds
from oche.loop.contracts import Budget, Cost, Progress, WeightSharing
from oche.loop.threads import limited_threads
from oche.loop.workbench import load_state, save_state
from oche.program import DNA, Space
from oche.testing._elsewhere import elsewhere


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal bit for bit: tensors, numbers, text, lists and dicts of them."""
    import torch

    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _through_bytes(state: Any) -> Any:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


class WeightSharingContract:
    """Inherit, and override the three `make_` methods; keep the plan at a few dozen steps."""

    #: Seed of the searches.
    seed = 11
    #: A budget that is smaller than the algorithm's own plan.
    budget: Budget | None = None

    def make_algorithm(self) -> WeightSharing:
        """A new algorithm, not set up, with a plan of a few dozen steps."""
        raise TypeError(f"{type(self).__name__}: override make_algorithm")

    def make_space(self) -> Space:
        """A small space."""
        raise TypeError(f"{type(self).__name__}: override make_space")

    def make_task(self) -> Any:
        """A task with `problem(seed)` on little data."""
        raise TypeError(f"{type(self).__name__}: override make_task")

    def _start(self, seed: int | None = None, budget: Budget | None = None) -> WeightSharing:
        seed = self.seed if seed is None else seed
        algorithm = self.make_algorithm()
        algorithm.setup(self.make_space(), self.make_task().problem(seeds.derive(seed, "problem")), seed, budget)
        return algorithm

    def _finish(self, algorithm: WeightSharing, steps: int = 10_000) -> Progress:
        with limited_threads(1):
            progress = algorithm.advance(steps)
            while not progress.done:
                progress = algorithm.advance(steps)
        return progress

    def test_it_has_every_method_of_the_protocol(self) -> None:
        """Setup, advance, gradients, propose, state, load."""
        assert isinstance(self.make_algorithm(), WeightSharing)

    def test_it_ends_and_proposes_legal_points(self) -> None:
        """Progress counts up to the plan; proposals are points of the space, numbered from 0."""
        algorithm = self._start()
        progress = self._finish(algorithm, 3)
        assert progress.step == progress.total > 0
        proposals = algorithm.propose(2)
        assert 1 <= len(proposals) <= 2
        for number, proposal in enumerate(proposals):
            self.make_space().validate(DNA(proposal.dna.flat))
            assert proposal.id == number

    def test_same_seed_gives_the_same_search(self) -> None:
        """Equal states bit for bit, and equal proposals."""
        first, again = self._start(), self._start()
        self._finish(first)
        # What happens in global generators must not matter.
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002 - the point of the test
        self._finish(again)
        assert same(first.state(), again.state())
        assert [p.dna for p in first.propose(2)] == [p.dna for p in again.propose(2)]

    def test_another_seed_gives_another_search(self) -> None:
        """The seed is used."""
        first, other = self._start(), self._start(self.seed + 1)
        self._finish(first)
        self._finish(other)
        assert not same(first.state(), other.state())

    def test_segments_do_not_matter(self) -> None:
        """Ten steps are ten times one step."""
        whole, pieces = self._start(), self._start()
        self._finish(whole)
        self._finish(pieces, 1)
        assert same(whole.state(), pieces.state())

    def test_stopped_and_resumed_equals_never_stopped(self, tmp_path: Path) -> None:
        """A new object that loads a checkpoint file after every few steps ends in the same state."""
        whole = self._start()
        self._finish(whole)
        pieces = self._start()
        with limited_threads(1):
            progress = pieces.advance(2)
            while not progress.done:
                save_state(pieces.state(), str(tmp_path / "state.pt"))
                pieces = self._start()
                pieces.load(load_state(str(tmp_path / "state.pt")))
                progress = pieces.advance(2)
        assert same(whole.state(), pieces.state())
        assert [p.dna for p in whole.propose(2)] == [p.dna for p in pieces.propose(2)]

    def test_propose_works_from_a_loaded_state(self) -> None:
        """A worker that has only the file proposes the same."""
        whole = self._start()
        self._finish(whole)
        state = _through_bytes(whole.state())
        other = self._start()
        other.load(state)
        assert [p.dna for p in whole.propose(1)] == [p.dna for p in other.propose(1)]

    def test_same_seed_gives_the_same_search_in_another_process(self) -> None:
        """Equal states bit for bit at equal threads."""
        here = self._start()
        self._finish(here)
        assert same(here.state(), elsewhere(self._elsewhere))

    def _elsewhere(self) -> Any:
        algorithm = self._start()
        self._finish(algorithm)
        return algorithm.state()

    def test_it_stops_at_its_budget(self) -> None:
        """No step starts with a limit reached."""
        probe = self._start()
        with limited_threads(1):
            one = probe.advance(1)
        budget = self.budget or Budget(passes=one.cost.passes * 3.5)
        algorithm = self._start(budget=budget)
        total, progress = Cost(), None
        with limited_threads(1):
            while progress is None or not progress.done:
                assert not budget.exhausted(total), "a step started with the budget reached"
                progress = algorithm.advance(1)
                total += progress.cost
        assert algorithm.propose(1)

    def test_global_generators_are_left_alone(self) -> None:
        """A search neither reads nor moves them."""
        import torch

        before = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
        self._finish(self._start())
        assert torch.equal(before[0], torch.get_rng_state())
        assert before[1] == random.getstate()
        assert str(before[2]) == str(np.random.get_state())  # noqa: NPY002

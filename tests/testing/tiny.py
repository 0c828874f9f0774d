"""A small real weight-sharing algorithm and its task: a path-sampling supernet of three candidates at two places."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from oche import seeds
from oche.loop.contracts import Budget, Cost, Feedback, Problem, Progress, Proposal
from oche.program import Space, oneof
from oche.training import optimizers

_OPS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sine": lambda: _Sine()}


class _Sine(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(3 * x)


class TinyNet(nn.Module):
    """Two hidden layers whose activations are choices."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Linear(2, width)
        self.op0 = oneof(_OPS, name="op0")
        self.second = nn.Linear(width, width)
        self.op1 = oneof(_OPS, name="op1")
        self.head = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.op1(self.second(self.op0(self.first(x)))))


def tiny_space() -> Space:
    """Nine points."""
    return Space(TinyNet)


class TinyTask:
    """Regression on 48 points of a plane; higher rewards are smaller errors."""

    name = "tiny"

    def __init__(self, nan_at: int | None = None) -> None:
        self.nan_at = nan_at

    def describe(self) -> dict[str, Any]:
        return {"task": "tiny", "metric": "test"}

    def _data(self) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.rand(96, 2, generator=seeds.torch_generator(0, "tiny")) * 2 - 1
        return x, torch.sin(3 * x[:, :1]) * x[:, 1:]

    def child(self, space: Space, dna: Any, seed: int, final: bool = False) -> nn.Module:
        return space.build(dna, seed=seed, width=16 if final else 8)

    def _fit(self, model: nn.Module, seed: int, steps: int, part: slice) -> Feedback:
        x, y = self._data()
        optimizer = optimizers.SGD(model.parameters(), lr=0.1)
        generator = seeds.torch_generator(seed, "fit")
        for _ in range(steps):
            rows = torch.randint(0, 48, (16,), generator=generator)
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            error = float(nn.functional.mse_loss(model(x[part]), y[part]))
        return Feedback(reward=-error, metrics={"test": -error}, cost=Cost(trials=1, passes=steps))

    def evaluate(self, child: nn.Module, seed: int) -> Feedback:
        return self._fit(child, seed, 10, slice(48, 72))

    def report(self, child: nn.Module, seed: int) -> Feedback:
        return self._fit(child, seed, 30, slice(72, 96))

    def problem(self, seed: int) -> Problem:
        x, y = self._data()

        def batches(split: str, seed: int, epoch: int) -> Any:
            rows = slice(0, 48) if split == "train" else slice(48, 72)
            order = torch.randperm(rows.stop - rows.start, generator=seeds.torch_generator(seed, split, epoch)) + rows.start
            for piece in order.split(12):
                yield x[piece], y[piece]

        def loss(model: Any, batch: Any) -> torch.Tensor:
            return nn.functional.mse_loss(model(batch[0]), batch[1])

        def score(model: Any, batch: Any) -> tuple[float, int]:
            return -float(loss(model, batch)) * len(batch[0]), len(batch[0])

        return Problem(loss, score, batches, {"train": 4, "valid": 2}, epochs=6)


class TinySharing:
    """Trains shared layers under random activations, then proposes the pair with the smallest error."""

    def __init__(self, epochs: int = 6, nan_at: int | None = None, sleep: float = 0.0) -> None:
        self.epochs = epochs
        self.nan_at = nan_at
        self.sleep = sleep

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        self.space, self.problem, self.seed, self.budget = space, problem, seed, budget
        with seeds.building(seeds.derive(seed, "shared")):
            self.layers = nn.ModuleList([nn.Linear(2, 8), nn.Linear(8, 8), nn.Linear(8, 1)])
        self.optimizer = optimizers.SGD(self.layers.parameters(), lr=0.1, momentum=0.9)
        self.step, self.total = 0, self.epochs * problem.n_batches["train"]
        self.spent = Cost()

    def _model(self, dna: Any) -> Any:
        ops = [list(_OPS.values())[i]() for i in dna.flat]

        def run(x: torch.Tensor) -> torch.Tensor:
            return self.layers[2](ops[1](self.layers[1](ops[0](self.layers[0](x)))))

        return run

    def _batch(self, step: int) -> Any:
        n = self.problem.n_batches["train"]
        return list(self.problem.batches("train", self.seed, step // n))[step % n]

    @property
    def _over(self) -> bool:
        return self.step >= self.total or (self.budget is not None and self.budget.exhausted(self.spent))

    def advance(self, steps: int) -> Progress:
        import time

        from oche.errors import TrainingError

        cost = Cost()
        for _ in range(steps):
            if self._over:
                break
            time.sleep(self.sleep)
            dna = self.space.sample(seeds.generator(self.seed, "path", self.step))
            self.optimizer.zero_grad()
            loss = self.problem.loss(self._model(dna), self._batch(self.step))
            if self.step == self.nan_at:
                raise TrainingError(f"loss: got nan at step {self.step}; allowed: finite numbers; lower the learning rate")
            loss.backward()
            self.optimizer.step()
            self.step += 1
            cost += Cost(passes=1)
            self.spent += Cost(passes=1)
        done = self._over
        return Progress(self.step, self.step if done else self.total, done, cost, {"share": self.step / self.total})

    def gradients(self, fixed: Any) -> Any:
        dna = self.space.encode_decisions(dict(fixed), defaults=True)
        loss = self.problem.loss(self._model(dna), self._batch(0))
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(self.layers.parameters()))])

    def propose(self, n: int) -> list[Proposal]:
        scores = []
        with torch.no_grad():
            for dna in self.space:
                got = [self.problem.score(self._model(dna), b) for b in self.problem.batches("valid", 0, 0)]
                scores.append((sum(a for a, _ in got) / sum(b for _, b in got), dna))
        scores.sort(key=lambda pair: -pair[0])
        cost = Cost(passes=9 * 2 / 3).to_json()
        return [Proposal(i, dna, 1, {"score": score, "cost": cost}) for i, (score, dna) in enumerate(scores[:n])]

    def state(self) -> dict[str, Any]:
        return {
            "layers": self.layers.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step, "spent": self.spent.to_json(),
        }  # fmt: skip

    def load(self, state: Any) -> None:
        self.layers.load_state_dict(state["layers"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.spent = state["step"], Cost.from_json(state["spent"])

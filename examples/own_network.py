"""One network of your own, searched by two kinds of algorithm, and judged against random members of its space.

The class is ordinary PyTorch with choices in it. Evolution trains children; DARTS trains one supernet that holds all of them.
Run: python examples/own_network.py          (a minute; larger counts give narrower intervals)
"""

from __future__ import annotations

from torch import nn

import oche

OPS = {
    "conv3": lambda channels: nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)),
    "conv1": lambda channels: nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)),
    "pool": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
    "skip": lambda channels: nn.Identity(),
}


class Net(nn.Module):
    def __init__(self, in_channels=1, channels=8, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*[oche.oneof(OPS, name=f"op{i}", channels=channels) for i in range(3)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


def main(epochs=3, trials=8, seeds=2, members=4):
    """Search, and return the report."""
    task = oche.tasks.classification("digits", recipe=f"digits?epochs={epochs}")
    budget = oche.Budget(trials=trials)
    base = oche.baseline(Net, task, n=members)
    random_search = oche.search(Net, "random", task, budget=budget, seeds=seeds)
    evolution = oche.search(Net, "regularized-evolution", task, budget=budget, seeds=seeds)
    darts = oche.search(Net, "darts", task, seeds=seeds)
    print("evolution found", evolution.best.decisions)
    print("darts found    ", darts.best.decisions)
    return oche.judge.report(evolution, darts, baseline=base, random_search=random_search)


if __name__ == "__main__":
    print(main())

"""Training seeds where they tell something: the allocations of rejection sampling on a space of networks.

A network is a query, a training is a sample, and a training that reaches the bar is a right response. The luck of the seed decides about
networks near the bar, so equal seeds for all are too many for the sure ones and too few for the others.
Run: python examples/training_seeds.py          (some seconds)
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

import oche
from oche.rejection import Uniform, Vanilla

BAR = 70.0  # % of validation images


class Net(nn.Module):
    """A small perceptron for 8 by 8 digits."""

    def __init__(self, in_channels=1, classes=10):
        super().__init__()
        width = oche.oneof([2, 4, 8], name="width")
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(64, width), oche.oneof({"relu": nn.ReLU, "tanh": nn.Tanh}, name="act"), nn.Linear(width, classes)
        )

    def forward(self, x):
        return self.layers(x)


@cache
def digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)
    return (x[:600], y[:600]), (x[600:1200], y[600:1200])


def trained(net, seed):
    """Validation accuracy in percent after 60 steps; initialization and batches depend on the seed."""
    (x, y), (vx, vy) = digits()
    draw = torch.Generator().manual_seed(seed)
    for weights in net.parameters():
        bound = weights.shape[-1] ** -0.5
        weights.data.uniform_(-bound, bound, generator=draw)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(60):
        batch = torch.randint(len(x), (64,), generator=draw)
        loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return 100 * (net(vx).argmax(1) == vy).float().mean().item()


def seeds_of(allocation):
    """Trainings, and those that reached the bar, of every network."""
    space = oche.Space(Net)
    runs = oche.search(space, allocation, oche.tasks.function(trained), progress=False)
    found = {}
    for trial in runs[0].trials:
        name = ", ".join(f"{key} {label}" for key, label in space.decisions(trial.dna).items())
        count, hits = found.get(name, (0, 0))
        found[name] = (count + 1, hits + (trial.feedback.scalar >= BAR))
    return found


def main():
    equal = seeds_of(Vanilla(m=6, success=BAR))
    spread = seeds_of(Uniform(k=3, cap=24, lot=1, success=BAR, p_min=0.25, delta=0.2))
    print(f"{'network':26s} {'vanilla?m=6':>14s} {'uniform?k=3':>14s}   trainings (over the bar)")
    for name in equal:
        print(f"{name:26s} {'{} ({})'.format(*equal[name]):>14s} {'{} ({})'.format(*spread[name]):>14s}")
    print(f"{'in all':26s} {sum(n for n, _ in equal.values()):14d} {sum(n for n, _ in spread.values()):14d}")


if __name__ == "__main__":
    main()

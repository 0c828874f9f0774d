"""One program, three executions at equal cost: sampled children, a supernet of paths, a mixture; on scikit-learn's digits.

Declared before anything was run: the primary metric is the test accuracy of the pick, trained alone on `train` and `valid` by the recipe
of its row; random search with the same processor seconds is the comparison that decides; ten seeds. The child recipe is varied (8 and
24 epochs), because sharing weights can only pay where training a child is dear. The rank correlation is Kendall's tau between the
shared scores of 24 random children and their test accuracy when trained alone for 8 epochs.

    python experiments/weight-sharing-by-rewriting/run.py     # resumable: run it again after any interruption
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau, t
from torch import nn

import oche
import oche.driver

HERE = Path(__file__).parent
SEEDS = 10
SECONDS = 6
EPOCHS = (8, 24)
RANKED = 24
# The published presets, with the rate of the recipe; the rate of the logits is raised from 3e-4, which is meant for some 20,000 steps.
ARMS = {
    "random": "random",
    "path": "rsps?lr=0.05&n_candidates=256&n_scored=600&reserve=0.4",
    "mixture": "darts?lr=0.05&arch_lr=0.01",
}


def normal(kernel_size: int, channels: int) -> nn.Module:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2), nn.BatchNorm2d(channels), nn.ReLU())


OPS = {
    "conv3": lambda channels: normal(3, channels),
    "conv1": lambda channels: normal(1, channels),
    "identity": lambda channels: nn.Identity(),
    "maxpool3": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
}


class Net(nn.Module):
    """Four choices of four operations at 12 channels: 256 children."""

    def __init__(self, channels: int = 12, in_channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        self.body = nn.Sequential(*[oche.oneof(OPS, name=f"op{i}", channels=channels) for i in range(4)])
        self.head = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of images `(batch, channels, height, width)`."""
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def task(epochs: int) -> object:
    """Digits by one recipe, for children and picks alike."""
    recipe = oche.training.Recipe(epochs=epochs, batch_size=64, lr=0.05, weight_decay=5e-4, name=f"digits-{epochs}")
    return oche.tasks.classification("digits", recipe=recipe, device="cpu")


def main() -> None:
    """Search, rank, judge, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    store, budget, space = options.out / "runs.db", oche.Budget(cpu_seconds=options.seconds), oche.Space(Net)

    def search(arm: str, epochs: int, seeds: list[int]) -> oche.driver.Runs:
        name = f"rewriting {arm} {epochs}"
        return oche.search(space, ARMS[arm], task(epochs), budget=budget, seeds=seeds, store=store, name=name, progress=False)

    # Arms take turns within a seed, so that a busy hour of the machine falls on all of them.
    for seed in range(options.seeds):
        for epochs in EPOCHS:
            for arm in ARMS:
                record = search(arm, epochs, [seed]).records[0]
                logging.info("seed %d, %d epochs, %s: %.2f", seed, epochs, arm, record.value)
    lines = []
    for epochs in EPOCHS:
        lines += table(epochs, {arm: search(arm, epochs, list(range(options.seeds))) for arm in ARMS}, space, store, options.out)
    lines += ranks(space, store, budget, options)
    (HERE / "results.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def table(epochs: int, found: dict[str, oche.driver.Runs], space: oche.Space, store: Path, out: Path) -> list[str]:
    """Picks of all arms, their differences from random search seed by seed, and the report of the judge."""
    base = oche.baseline(space, task(epochs), n=RANKED, store=store, name=f"rewriting members {epochs}", progress=False)
    report = oche.judge.report(
        found["path"], found["mixture"], baseline=base, random_search=found["random"], title=f"Rewriting, children of {epochs} epochs"
    )
    report.save(out / f"report-{epochs}.html")
    values = {arm: np.array([record.value for record in runs.records]) for arm, runs in found.items()}
    members = np.array([record.value for record in base.records])
    lines = [f"children of {epochs} epochs; random members {members.mean():.2f} +- {members.std(ddof=1):.2f} (n={len(members)})"]
    for arm, got in values.items():
        spent = [record.cost["search"] for record in found[arm].records]
        seconds, trials = (float(np.mean([s.get(unit, 0) for s in spent])) for unit in ("cpu_seconds", "trials"))
        low, high = interval(got - values["random"])
        difference = "" if arm == "random" else f"  minus random {np.mean(got - values['random']):+.2f} [{low:+.2f}, {high:+.2f}]"
        lines.append(f"  {arm:8} {got.mean():6.2f} +- {got.std(ddof=1):4.2f}  {seconds:5.1f} s {trials:5.1f} trials{difference}")
    return [*lines, str(report), ""]


def ranks(space: oche.Space, store: Path, budget: oche.Budget, options: argparse.Namespace) -> list[str]:
    """Kendall's tau between shared scores and accuracies alone, one supernet of paths for each seed."""
    members = oche.baseline(space, task(EPOCHS[0]), n=RANKED, store=store, name=f"rewriting members {EPOCHS[0]}", progress=False)
    alone = {tuple(record.dna): record.value for record in members.records}
    kept = options.out / "taus.json"
    taus: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in range(options.seeds):
        if str(seed) in taus:
            continue
        algorithm = oche.algorithms.get(ARMS["path"])
        algorithm.setup(space, task(EPOCHS[0]).problem(seed), seed, budget)
        while not algorithm.advance(50).done:
            pass
        problem, net = task(EPOCHS[0]).problem(seed), algorithm.network.eval()
        batches = list(problem.batches("valid", 0, 0))
        shared = []
        for flat in alone:
            with torch.no_grad(), net.fixed(space.decisions(oche.DNA(flat))):
                shared.append(sum(float(problem.score(net, batch)[0]) for batch in batches))
        taus[str(seed)] = float(kendalltau(shared, list(alone.values())).statistic)
        kept.write_text(json.dumps(taus))
    values = np.array(list(taus.values()))
    low, high = interval(values)
    return [
        f"Kendall tau of shared scores over {len(alone)} children: {values.mean():.2f} [{low:.2f}, {high:.2f}], {len(values)} supernets"
    ]


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean by Student's t."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main()

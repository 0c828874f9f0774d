"""A planted conflict: one of three choices holds two camps of opposite sign. Is it found, with its camps, and for how long?

    python experiments/few-shot/planted.py      # ten seeds, seconds to minutes; writes planted.json

Every choice has four layers 16 x 16 behind a tanh, all copies of one matrix with noise 0.3; in the middle choice two have the opposite
sign. A random choice is right in 1 of 3 nodes, random halves in 1 of 3 again. All weights are trained together for some steps before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from oche.files import write_text
from oche.flows._matching import Score, similarity
from oche.loop.contracts import Problem
from oche.mixers import UniformPath
from oche.program import Space, oneof
from oche.seeds import torch_generator
from oche.supernets import supernet

SEEDS, STEPS, BATCHES, BATCH = range(10), (0, 50, 200), 4, 64
LABELS = ("o0", "o1", "o2", "o3")


class Planted(nn.Module):
    """Three choices in a row between a shared input layer and a shared classifier."""

    def __init__(self, seed: int = 0, width: int = 16, planted: int = 1) -> None:
        super().__init__()
        self.stem = nn.Linear(8, width)
        base = torch.randn(3, width, width, generator=torch_generator(seed, "base")) / width**0.5

        def make(choice: int, sign: int, number: int) -> nn.Module:
            noise = torch.randn(width, width, generator=torch_generator(seed, "noise", choice, number)) / width**0.5
            layer = nn.Linear(width, width, bias=False)
            layer.weight = nn.Parameter(sign * (base[choice] + 0.3 * noise))
            return nn.Sequential(layer, nn.Tanh())

        signs = [[1, 1, -1, -1] if c == planted else [1] * 4 for c in range(3)]
        made = [{o: (lambda c=c, n=n: make(c, signs[c][n], n)) for n, o in enumerate(LABELS)} for c in range(3)]
        self.ops = nn.Sequential(*[oneof(options, name=f"c{c}") for c, options in enumerate(made)])
        self.head = nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (logits), `(batch, 3)`."""
        return self.head(self.ops(self.stem(x)))


FITS = Problem(lambda model, batch: functional.cross_entropy(model(batch[0]), batch[1]), None, None, {}, 1)


def drawn(seed: int, what: str, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch whose classes a fixed linear map gives."""
    x = torch.randn(BATCH, 8, generator=torch_generator(seed, what, number))
    return x, (x @ torch.randn(8, 3, generator=torch_generator(seed, "teacher"))).argmax(1)


def probe(seed: int, steps: int) -> dict[str, Any]:
    """Cuts of the three choices after so many joint steps."""
    net = supernet(Space(Planted, seed=seed), UniformPath(), seed=seed)
    optimizer = torch.optim.SGD(net.weights(), 0.1, momentum=0.9)
    for step in range(steps):
        optimizer.zero_grad()
        with net.at(step):
            FITS.loss(net, drawn(seed, "train", step)).backward()
        optimizer.step()
    scores = []
    for key in ("c0", "c1", "c2"):
        score = Score(key, LABELS, 2)
        for number in range(BATCHES):
            score.add(similarity(net, FITS, key, LABELS, drawn(seed, "probe", number), number, seed))
        scores.append(score)
    best = min(scores, key=lambda s: s.cut)
    right = best.choice == "c1" and best.parts == [[0, 1], [2, 3]]
    return {"seed": seed, "steps": steps, "right": right, "cuts": {s.choice: s.cut for s in scores}}


def main() -> None:
    torch.set_num_threads(1)
    rows = [probe(seed, steps) for steps in STEPS for seed in SEEDS]
    print("| joint steps | choice and camps found | cut of the planted choice | cuts of the others |\n| --- | --- | --- | --- |")
    for steps in STEPS:
        found = [r for r in rows if r["steps"] == steps]
        planted, others = ([[r["cuts"][k] for r in found] for k in keys] for keys in (("c1",), ("c0", "c2")))
        texts = [", ".join(f"{np.mean(v):.2f} ± {np.std(v, ddof=1):.2f}" for v in part) for part in (planted, others)]
        print(f"| {steps} | {sum(r['right'] for r in found)} of {len(found)} | {texts[0]} | {texts[1]} |")
    write_text(Path(__file__).parent / "planted.json", json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

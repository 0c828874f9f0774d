"""Does Max-W give the capable operation a fair chance? Two claims about a small mixture, tested apart.

A mixed operation learns y = x + 0.7 sin(2 x A). Its candidates are functions without weights and one small network that has to learn
first. Plain probabilities give each candidate 1/n of its gradient at the start; Max-W gives all of it.

    (a) the mixture itself becomes better: lower validation loss
    (b) the network is chosen more often: it has the largest probability at the end

All seeds are trained side by side in one tensor. Source of the setting: ours, after the mechanism of Hundt et al. 2019 (sharpDARTS).

Run: python examples/fair_chance.py [seeds]
"""

from __future__ import annotations

import sys

import torch
from scipy.stats import binomtest, fisher_exact

from oche import weightings

FEW = ("zero", "identity", "relu", "network")
MANY = (*FEW, "negative part", "tanh", "reversed", "absolute")
ARMS = {"scalar": weightings.Scalar(), "max-w": weightings.MaxW(), "max-w detached": weightings.MaxW(detach=True)}
HIDDEN = 24


def outputs(x, w, ops):
    """What every candidate gives: `(seeds, ops, points, 4)`."""
    hidden = torch.tanh(x @ w["first"] + w["bias"])
    made = {
        "zero": torch.zeros_like(x),
        "identity": x,
        "relu": x.relu(),
        "network": hidden @ w["second"] + w["shift"],
        "negative part": -(-x).relu(),
        "tanh": x.tanh(),
        "reversed": x.flip(-1),
        "absolute": x.abs(),
    }
    return torch.stack([made[op] for op in ops], 1)


def search(weighting, ops=FEW, arch_lr=3e-3, seeds=40, steps=600):
    """Alternate steps of logits on validation points and of weights on training points.

    Returns:
        The validation loss of each seed's mixture, and whether its network was chosen.
    """
    draw = torch.Generator().manual_seed(7)

    def rand(*shape):
        return torch.randn(seeds, *shape, generator=draw)

    a = 0.5 * rand(4, 4)
    x, held_out = rand(128, 4), rand(128, 4)
    y, wanted = x + 0.7 * torch.sin(2 * x @ a), held_out + 0.7 * torch.sin(2 * held_out @ a)
    w = {"first": rand(4, HIDDEN) / 2, "bias": torch.zeros(seeds, 1, HIDDEN), "second": rand(HIDDEN, 4) / HIDDEN**0.5}
    w = {name: value.requires_grad_() for name, value in (w | {"shift": torch.zeros(seeds, 1, 4)}).items()}
    logits = (1e-3 * rand(len(ops))).requires_grad_()
    weights = torch.optim.SGD(w.values(), lr=0.05, momentum=0.9, weight_decay=3e-4)
    arch = torch.optim.Adam([logits], lr=arch_lr, betas=(0.5, 0.999), weight_decay=1e-3)

    def losses(points, targets):
        multipliers = weighting(torch.softmax(logits, -1))[:, :, None, None]
        return ((multipliers * outputs(points, w, ops)).sum(1) - targets).square().mean((1, 2))

    for _ in range(steps):
        (logits.grad,) = torch.autograd.grad(losses(held_out, wanted).sum(), [logits])
        arch.step()
        gradients = torch.autograd.grad(losses(x, y).sum(), list(w.values()))
        for value, gradient in zip(w.values(), gradients, strict=True):
            value.grad = gradient
        weights.step()
    with torch.no_grad():
        return losses(held_out, wanted), logits.argmax(-1) == ops.index("network")


def main(seeds=40):
    for ops, arch_lr in ((FEW, 3e-3), (FEW, 2e-2), (MANY, 3e-3)):
        print(f"{len(ops)} candidates, rate of the logits {arch_lr:g}, {seeds} seeds")
        found = {name: search(weighting, ops, arch_lr, seeds) for name, weighting in ARMS.items()}
        loss, chosen = found["scalar"]
        for name, (other, picked) in found.items():
            line = f"  {name:15} loss of the mixture {float(other.mean()):.3f}, network chosen {int(picked.sum())} of {seeds}"
            if name != "scalar":
                lower, times = int((other < loss).sum()), (int(picked.sum()), int(chosen.sum()))
                p_a = binomtest(lower, seeds).pvalue
                p_b = fisher_exact([[times[0], seeds - times[0]], [times[1], seeds - times[1]]]).pvalue
                line += f"; (a) {verdict(lower > seeds / 2, p_a)}, lower in {lower}, p = {p_a:.2g}"
                line += f"; (b) {verdict(times[0] > times[1], p_b)}, p = {p_b:.2g}"
            print(line)


def verdict(right_way, p):
    return "not shown" if p >= 0.05 else "shown" if right_way else "the opposite is shown"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""What does each bilevel scheme converge to? Three problems whose answers are known without any search.

1. The solvable model: V = a w - 2 a + 1, T = (w - a)^2, from (a, w) = (2, -2). The solution is (1, 1); every scheme's limit is a formula.
2. The same with c a^2 added to T: still (1, 1), but now the least training loss depends on a.
3. Gated ridge regression, 20 data sets: the inner problem is a linear solve, so the true objective min over w is computed exactly.

Declared before anything was run: the steps, rates and seeds below; what is compared is the limit in 1 and 2 and, in 3, the mean true
objective over the 20 data sets with the number of data sets on which one scheme is below another.

    python experiments/bilevel-toy/run.py     # three minutes
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oche.schemes import RARTS, BilevelProblem, FirstOrder, MixedLevel, Scheme, SecondOrder, Sgd, SingleLevel, ValuePenalty

HERE = Path(__file__).parent
SEEDS = range(20)
STEPS, WEIGHT_LR, ARCH_LR = 3000, 0.3, 0.5


def number(value: float) -> torch.Tensor:
    """A scalar of 64 bits."""
    return torch.tensor(value, dtype=torch.float64)


def model(c: float) -> BilevelProblem:
    """The solvable model with bias c."""
    return BilevelProblem(lambda w, a: (w - a) ** 2 + c * a**2, lambda w, a: a * w - 2 * a + 1, number(-2.0), number(2.0))


def path(scheme: Scheme, c: float, lr: float, steps: int, arch_lr: float | None = None) -> list[tuple[float, float]]:
    """(a, w) after every step."""
    rule = Sgd(lr, 0.0, 0.0, clip=None)
    arch_rule = Sgd(lr if arch_lr is None else arch_lr, 0.0, 0.0, clip=None)
    start = {"valid_weights": number(0.0)} if scheme.copies == 2 else {}
    state = scheme.init(model(c), rule, arch_rule, copy=True, **start)
    found = [(state.arch.item(), state.weights.item())]
    for _ in range(steps):
        scheme.step(state)
        found.append((state.arch.item(), state.weights.item()))
    return found


# name, scheme, step size, step size of arch, limit of a for bias c
MODEL_ARMS: list[tuple[str, Scheme, float, float | None, Any]] = [
    ("first order", FirstOrder(), 0.05, None, lambda c: 2.0),
    ("second order, xi=0.01", SecondOrder(xi=0.01), 0.05, None, lambda c: 2 / 1.02),
    ("second order, xi=0.5", SecondOrder(xi=0.5), 0.05, None, lambda c: 1.0),
    ("mixed level, lam=1", MixedLevel(1.0), 0.05, None, lambda c: 2 / (2 * c + 1)),
    ("single level, lam=0.5", SingleLevel(0.5), 0.1, None, None),
    ("RARTS, lam=beta=10", RARTS(10, 10, "fresh"), 0.05, None, lambda c: 2 / (2 - 1 / 20 - 1 / 10 + 20 * c)),
    ("value penalty, lam=10", ValuePenalty(10, "fresh"), 0.3, 0.01, lambda c: 2 / (2 - 1 / 20)),
]


def ridge(seeds: range) -> tuple[BilevelProblem, Any, Any]:
    """The gated ridge problem of all seeds at once (their losses are summed), its true objective by seed, and its true gradient.

    Shapes: gates and weights `(seeds, 20)`.
    """
    xs, ts = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        w = np.zeros(20)
        w[:5] = 1.5 * rng.standard_normal(5)
        x = rng.standard_normal((60, 20))
        xs.append(x)
        ts.append(x @ w + rng.standard_normal(60))
    x, t = torch.tensor(np.array(xs)), torch.tensor(np.array(ts))
    train_x, valid_x, train_t, valid_t = x[:, :30], x[:, 30:], t[:, :30], t[:, 30:]

    def error(x: torch.Tensor, t: torch.Tensor, w: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        return 0.5 * (torch.einsum("snd,sd->sn", x, torch.sigmoid(a) * w) - t).pow(2).mean(1)

    def best_weights(a: torch.Tensor) -> torch.Tensor:
        gated = train_x * torch.sigmoid(a)[:, None, :]
        left = gated.transpose(1, 2) @ gated / 30 + 0.3 * torch.eye(20, dtype=torch.float64)
        return torch.linalg.solve(left, torch.einsum("snd,sn->sd", gated, train_t) / 30)

    def true_objective(a: torch.Tensor) -> torch.Tensor:
        return error(valid_x, valid_t, best_weights(a), a)

    zeros = torch.zeros(len(seeds), 20, dtype=torch.float64)
    problem = BilevelProblem(
        lambda w, a: (error(train_x, train_t, w, a) + 0.15 * w.pow(2).sum(1)).sum(),
        lambda w, a: error(valid_x, valid_t, w, a).sum(),
        zeros,
        zeros.clone(),
    )
    return problem, true_objective, best_weights


class Oracle(Scheme):
    """Descends the true objective: the inner problem is solved exactly and differentiated."""

    def __init__(self, objective: Any) -> None:
        super().__init__()
        self.objective = objective

    def arch_gradient(self, state: Any, train_batch: Any = None, valid_batch: Any = None) -> Any:
        """The exact hypergradient."""
        loss = self.objective(state.arch).sum()
        return torch.autograd.grad(loss, list(state.arch_group)), float(loss.detach()), 1.0


def ridge_arms(objective: Any) -> dict[str, tuple[Scheme, float, float]]:
    """Scheme, step of the weights and step of arch, by name."""

    def coupled(lam: float, beta: float) -> tuple[Scheme, float, float]:
        return RARTS(lam, beta, "fresh"), WEIGHT_LR / (lam + beta), ARCH_LR / (lam + beta)

    return {
        "exact hypergradient": (Oracle(objective), WEIGHT_LR, ARCH_LR),
        "value penalty, lam=10": (ValuePenalty(10, "fresh"), WEIGHT_LR, ARCH_LR),
        "second order, xi=0.3": (SecondOrder(xi=0.3), WEIGHT_LR, ARCH_LR),
        "first order": (FirstOrder("weights"), WEIGHT_LR, ARCH_LR),
        "mixed level, lam=1": (MixedLevel(1.0), WEIGHT_LR, ARCH_LR),
        "RARTS, lam=1, beta=10": coupled(1, 10),
        "single level": (SingleLevel(1.0, "weights"), WEIGHT_LR / 2, ARCH_LR / 2),
        "RARTS, lam=1, beta=1": coupled(1, 1),
        "RARTS, lam=10, beta=10": coupled(10, 10),
    }


def ridge_objectives(names: list[str] | None = None, seeds: range = SEEDS, steps: int = STEPS) -> dict[str, list[float]]:
    """The true objective that each scheme ends at, by data set."""
    problem, objective, _ = ridge(seeds)
    found: dict[str, list[float]] = {"start": objective(problem.arch).tolist()}
    for name, (scheme, lr, arch_lr) in ridge_arms(objective).items():
        if names is None or name in names:
            state = scheme.solve(problem, steps, lr, arch_lr)
            found[name] = objective(state.arch.detach()).tolist()
    return found


def ridge_result() -> dict[str, Any]:
    """Objectives of all schemes, and the cosines of their gradients with the true hypergradient at the start."""
    return {"objective": ridge_objectives(), "cosine": cosines(*ridge(SEEDS))}


def cosines(problem: BilevelProblem, objective: Any, best: Any) -> dict[str, float]:
    """Mean cosine of each scheme's arch gradient with the exact one, at a = 0 with the weights at rest."""
    arch = problem.arch.detach().clone().requires_grad_(True)
    (exact,) = torch.autograd.grad(objective(arch).sum(), arch)
    rule = Sgd(WEIGHT_LR, 0.0, 0.0, clip=None)
    shown = {}
    for name, (scheme, _, _) in ridge_arms(objective).items():
        # Weights alone move, until they rest; the steps of a coupled pair are shorter.
        lr = WEIGHT_LR / (scheme.lam + scheme.beta) if isinstance(scheme, RARTS) else WEIGHT_LR
        start = BilevelProblem(problem.train_loss, problem.valid_loss, best(arch).detach(), problem.arch.detach().clone())
        state = scheme.init(start, Sgd(lr, 0.0, 0.0, clip=None), rule, copy=True)
        for _ in range(STEPS):
            scheme.step(state, update_arch=False)
        (gradient,), *_ = scheme.arch_gradient(state)
        shown[name] = float(torch.nn.functional.cosine_similarity(gradient, exact, dim=1).mean())
    return shown


def model_result(steps: int = 3000) -> dict[str, Any]:
    """Limits for c = 0, 0.1 and 1."""
    rows = {}
    for name, scheme, lr, arch_lr, limit in MODEL_ARMS:
        rows[name] = {}
        for c in (0.0, 0.1, 1.0):
            a, w = path(scheme, c, lr / (1 + 2 * c), steps, arch_lr)[-1]
            expected = None if limit is None else limit(c)
            rows[name][str(c)] = {"a": a, "w": w, "formula": expected, "F": (a - 1) ** 2}
    return rows


def draw(paths: dict[str, list[tuple[float, float]]], objectives: dict[str, list[float]]) -> None:
    """`paths.svg`: the way of each scheme over the model; `ridge.svg`: true objective by scheme."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "oche", "font.size": 9})
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), constrained_layout=True)
    for name, way in paths.items():
        a, w = zip(*way, strict=True)
        (line,) = axes[0].plot(a, w, linewidth=1.2, label=name)
        axes[0].plot(a[-1], w[-1], "o", markersize=5, color=line.get_color())
        axes[1].plot(range(1, len(way)), [max(abs(x - 1), abs(y - 1)) for x, y in way[1:]], linewidth=1.2, color=line.get_color())
    axes[0].plot(1, 1, "*", markersize=13, color="black", label="solution (1, 1)")
    axes[0].set(xlabel="architecture parameter a", ylabel="weight w", title="From (2, -2) to where each scheme rests")
    axes[0].legend(fontsize=7)
    axes[1].set(xlabel="step", ylabel="largest distance to the solution", xscale="log", yscale="log", title="Distance to the solution")
    figure.savefig(HERE / "paths.svg", metadata={"Date": None})
    plt.close(figure)
    figure, axis = plt.subplots(figsize=(7, 3.6), constrained_layout=True)
    names = [name for name in objectives if name != "start"]
    for i, name in enumerate(names):
        axis.plot(objectives[name], [i] * len(objectives[name]), "o", markersize=3, alpha=0.4, color="C0")
        axis.plot(float(np.mean(objectives[name])), i, "D", color="C3", markersize=6)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(
        xlabel="true objective: validation loss at the best weights (lower is better)",
        title="Gated ridge, 20 data sets; diamonds are means",
    )
    figure.savefig(HERE / "ridge.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Run all three parts, print the tables, write results.json and the plots."""
    torch.set_num_threads(1)
    limits = model_result()
    print(f"{'scheme':<24} {'c':>4} {'a':>10} {'w':>10} {'formula':>10} {'F(a)':>10}")
    for name, row in limits.items():
        for c, cell in row.items():
            formula = "" if cell["formula"] is None else f"{cell['formula']:.6f}"
            print(f"{name:<24} {c:>4} {cell['a']:>10.6f} {cell['w']:>10.6f} {formula:>10} {cell['F']:>10.6f}")
    result = ridge_result()
    objectives = result["objective"]
    first = np.array(objectives["first order"])
    print(f"\n{'scheme':<24} {'mean':>7} {'s.e.':>6} {'cosine':>7}  against first order: mean difference, data sets that are worse")
    for name, values in objectives.items():
        array = np.array(values)
        gap = array - first
        error = array.std(ddof=1) / math.sqrt(len(array))
        cosine = f"{result['cosine'][name]:.3f}" if name in result["cosine"] else ""
        print(f"{name:<24} {array.mean():>7.3f} {error:>6.3f} {cosine:>7}  {gap.mean():+.3f} {int((gap > 0).sum()):>3} of {len(array)}")
    (HERE / "results.json").write_text(json.dumps({"model": limits, "ridge": result}, indent=1) + "\n")
    draw({name: path(scheme, 0.0, lr, 1000, arch_lr) for name, scheme, lr, arch_lr, _ in MODEL_ARMS}, objectives)


if __name__ == "__main__":
    main()

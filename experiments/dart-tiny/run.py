"""Difficulty-aware rejection tuning on sums: vanilla, uniform and Prop2Diff at equal sizes and at equal raw samples, with controls.

The settings below, the families of tests and what would refute the claim (README.md) were declared before the seeds were run.

    python experiments/dart-tiny/run.py                 # all seeds, then the tables; resumable: out/ holds stores and one file per seed
    python experiments/dart-tiny/run.py --seeds 3-4     # some seeds; a second process may do the others meanwhile
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t

import oche
from oche import seeds
from oche.files import digest, write_text
from oche.rejection import Tiny, Tuning, sums
from oche.rejection._evaluate import shares_correct
from oche.rejection.graders import get as grader_of

HERE = Path(__file__).parent
SEEDS = range(5)
TRAIN, TEST = {2: 400, 3: 1600}, 2000
STUDENT = 0.006  # mean exact pass rate on sums of three digits
TUNING = Tuning(steps=150, batch_size=128, lr=1e-3, schedule="cosine", warmup_steps=5, weight_decay=0.0, grad_clip=1.0)
# Teacher's pass rate, cap, k of uniform and of Prop2Diff. `weak`: near 0 on hard sums, so that the cap binds. `same`: all seeds share the
# teacher and student of one training, and differ in queries, samples and order.
BLOCKS: dict[str, dict[str, Any]] = {
    "two": {"teacher": 0.43, "cap": 2048, "uniform": 2, "prop2diff": 3},
    "weak": {"teacher": 0.03, "cap": 64, "uniform": 2, "prop2diff": 3},
    "same": {"teacher": 0.43, "cap": 2048, "uniform": 2, "prop2diff": 3, "training": 0},
    "eight": {"teacher": 0.43, "cap": 2048, "uniform": 8, "prop2diff": 12},
}
MOST = 50_000_000  # raw samples of a run without a cap, far more than it needs
MEASURES = ("hardest", "2nd", "3rd", "easiest", "all")

# A family of tests: pairs (arm, against). Holm over each family; the first one is primary.
MAIN = [
    ("uniform", "vanilla kept=uniform"),
    ("prop2diff", "vanilla kept=prop2diff"),
    ("uniform", "vanilla raw=uniform"),
    ("prop2diff", "vanilla raw=prop2diff"),
]
CONTROLS = [
    ("prop2diff", "uniform"),
    ("prop2diff", "prop2diff shuffled"),
    ("vanilla m=4 cover", "vanilla m=4"),
    ("uniform no cap", "uniform"),
]


class Block:
    """One teacher with its allocations, for one seed: makes the sets, tunes the student on each, and measures it."""

    def __init__(self, seed: int, block: str, out: Path) -> None:
        self.name, self.plan = block, BLOCKS[block]
        training = self.plan.get("training")
        self.seed = seed if training is None else seeds.derive(seed, block) % 2**31
        self.train = [q for digits, n in TRAIN.items() for q in sums(n, digits, seeds.derive(self.seed, "train"))]
        self.test = sums(TEST, 3, seeds.derive(self.seed, "test"), exclude=self.train)
        # One training gives all of them.
        self.student, weak, strong = Tiny.stages(
            [STUDENT, BLOCKS["weak"]["teacher"], BLOCKS["two"]["teacher"]], seed if training is None else training
        )
        self.teacher = weak if block == "weak" else strong
        self.truth = self.teacher.pass_rates(self.train)
        order = np.argsort(self.teacher.pass_rates(self.test), kind="stable")
        self.groups = {**dict(zip(MEASURES[:4], np.array_split(order, 4), strict=True)), "all": order}
        self.store = oche.store.Store(out / f"{block}-{seed}.db")
        self.arms: dict[str, dict[str, Any]] = {}
        self.known: dict[str, dict[str, float]] = {}  # what tuning on a set gave, by the set's hash

    def run(self) -> dict[str, Any]:
        """All arms."""
        uniform = self.synthesis(f"uniform?k={self.plan['uniform']}", self.plan["cap"])
        prop2diff = self.synthesis(f"prop2diff?k={self.plan['prop2diff']}", self.plan["cap"])
        for name, done in (("uniform", uniform), ("prop2diff", prop2diff)):
            kept = pairs(done)
            self.arm(name, done, kept)
            self.arms[name] |= self.estimates(done)
            raw = int(self.arms[name]["raw"])
            # As many raw samples, rounded up to whole samples per query.
            same_raw = self.synthesis(f"vanilla?m={-(-raw // len(self.train))}")
            self.arm(f"vanilla raw={name}", same_raw, pairs(same_raw))
            self.arm(f"vanilla kept={name}", *self.vanilla_of(len(kept), same_raw))
        if self.name == "two":
            self.controls(prop2diff)
        bases = {"student": self.measured(self.student), "teacher": self.measured(self.teacher)}
        return {"seed": self.seed, "block": self.name, "arms": {**self.arms, **bases}}

    def controls(self, prop2diff: Any) -> None:
        """Arms that tell which part of an allocation does what."""
        targets = np.array([line["target"] for line in prop2diff.table()])
        moved = seeds.generator(self.seed, "shuffled targets").permutation(targets)
        found: dict[str, list[tuple[str, str]]] = {}
        for row in prop2diff.samples():
            if row.distinct:
                query = self.train[row.query]
                found.setdefault(query.id, []).append((query.text, row.text))
        kept = [pair for q, t in zip(self.train, moved.tolist(), strict=True) for pair in found.get(q.id, [])[:t]]
        self.arm("prop2diff shuffled", prop2diff, kept)
        for name, allocation, cap in (
            ("vanilla m=4", "vanilla?m=4", None),
            ("vanilla m=4 cover", f"vanilla?m=4&cover=true&cap={self.plan['cap']}", None),
            ("uniform no cap", oche.rejection.Uniform(self.plan["uniform"], cap=None), None),
        ):
            done = self.synthesis(allocation, cap)
            self.arm(name, done, pairs(done))

    def synthesis(self, allocation: Any, cap: int | None = None) -> Any:
        """Draw, or read what the store holds. All runs share their samples: sample i of a query is the same in each."""
        budget = None if isinstance(allocation, str) else oche.Budget(samples=MOST)
        # The right response is one text, so duplicates count.
        return oche.rejection.synthesize(
            self.train, self.teacher, allocation, "marked", self.store, cap=cap, budget=budget, dedup="none", seeds=[self.seed],
            name=allocation if budget is None else "uniform without a cap", progress=False,
        )  # fmt: skip

    def vanilla_of(self, size: int, larger: Any) -> tuple[Any, list[tuple[str, str]]]:
        """Vanilla with as many kept as `size`: the smallest whole m that gives so many, then a random part of exactly that size.

        Where the run at equal raw samples kept fewer than that, more are drawn.
        """
        right = np.bincount([row.number for row in larger.samples() if row.distinct]).cumsum()
        m = int(np.searchsorted(right, size)) + 1
        while True:
            done = self.synthesis(f"vanilla?m={m}")
            kept = pairs(done)
            if len(kept) >= size:
                break
            m += 1
        chosen = seeds.generator(self.seed, "part", size).permutation(len(kept))[:size]
        return done, [kept[i] for i in sorted(chosen.tolist())]

    def arm(self, name: str, done: Any, kept: list[tuple[str, str]]) -> None:
        """Tune the student on `kept`, with the same seed and number of steps in every arm, and measure it."""
        counts = {q.text: 0 for q in self.train}
        for text, _ in kept:
            counts[text] += 1
        per_query = np.array(list(counts.values()))
        hard = np.argsort(self.truth, kind="stable")[: len(self.train) // 4]
        metrics = done.records[0].metrics
        spread = per_query.std() > 0
        key = digest(kept)
        if key not in self.known:
            self.known[key] = self.measured(self.student.tuned(kept, TUNING, seed=self.seed))
        self.arms[name] = {
            "raw": metrics["samples"],
            "kept": len(kept),
            "reached": metrics["reached"],
            "coverage": 100 * float((per_query > 0).mean()),
            "hard_coverage": 100 * float((per_query[hard] > 0).mean()),
            "correlation": float(np.corrcoef(per_query, self.truth)[0, 1]) if spread else 0.0,
            **self.known[key],
        }
        print(f"{self.name} seed {self.seed}: {name}: hardest {self.arms[name]['greedy hardest']:.1f}", flush=True)

    def measured(self, model: Tiny) -> dict[str, float]:
        """Greedy accuracy and mean exact pass rate on the test sums, by quarter of the teacher's pass rate, in percent."""
        greedy = 100 * shares_correct(self.test, model.at(0.0), grader_of("marked"))
        exact = 100 * model.pass_rates(self.test)
        return {
            f"{kind} {name}": float(values[rows].mean())
            for kind, values in (("greedy", greedy), ("exact", exact))
            for name, rows in self.groups.items()
        }

    def estimates(self, done: Any) -> dict[str, float]:
        """Estimated pass rates against the exact ones: mean error of the estimator, of k/n, and the correlation."""
        table = done.table()
        unbiased = np.array([line["pass_rate"] for line in table])
        naive = np.array([line["correct"] / line["n"] for line in table])
        return {
            "estimate error": float((unbiased - self.truth).mean()),
            "k/n error": float((naive - self.truth).mean()),
            "estimate correlation": float(np.corrcoef(unbiased, self.truth)[0, 1]),
        }


def pairs(done: Any) -> list[tuple[str, str]]:
    """Query and response of everything kept."""
    return [(query.text, row.text) for query, row in done.kept()]


def tables(found: list[dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    """The means as CSV, the tests as CSV, and everything as JSON values."""
    lines = ["block,arm,seeds,measure,mean,sd"]
    tests = [
        "block,measure,family,arm,against,difference,low,high,relative,relative_low,relative_high,p,p_holm,verdict,paired_low,paired_high"
    ]
    for block in BLOCKS:
        here = [f["arms"] for f in sorted(found, key=lambda f: f["seed"]) if f["block"] == block]
        if len(here) < 2:
            continue
        for arm in here[0]:
            for measure in here[0][arm]:
                values = np.array([arms[arm][measure] for arms in here])
                lines.append(f"{block},{arm},{len(values)},{measure},{values.mean():.4f},{values.std(ddof=1):.4f}")
        families = {"main": MAIN, **({"controls": CONTROLS} if block == "two" else {})}
        for kind in ("greedy", "exact"):
            for measure in MEASURES:
                for family, members in families.items():
                    tests += judged(block, f"{kind} {measure}", family, members, here)
    settings = {"blocks": BLOCKS, "student": STUDENT, "tuning": TUNING.to_json(), "train": {str(k): v for k, v in TRAIN.items()},
                "test": TEST, "torch": torch.__version__}  # fmt: skip
    return "\n".join(lines) + "\n", "\n".join(tests) + "\n", {"settings": settings, "runs": sorted(found, key=lambda f: f["seed"])}


def judged(block: str, measure: str, family: str, members: list[tuple[str, str]], here: list[dict[str, Any]]) -> list[str]:
    """One line per pair, by the judge, with Holm over the family."""
    rows, paired = [], []
    for arm, against in members:
        values, others = ([arms[name][measure] for arms in here] for name in (arm, against))
        rows.append(oche.judge.compare(values, others))
        # Seed by seed, which the judge does not know: trainings differ more than arms.
        differences = np.subtract(values, others)
        half = t.ppf(0.975, len(values) - 1) * differences.std(ddof=1) / np.sqrt(len(values))
        paired.append((differences.mean() - half, differences.mean() + half))
    adjusted = [row.adjusted(p, len(rows)) for row, p in zip(rows, oche.judge.holm([r.p for r in rows]), strict=True)]
    return [
        f"{block},{measure},{family},{arm},{against},{r.difference:.3f},{r.difference_low:.3f},{r.difference_high:.3f},"
        f"{r.ri:.2f},{r.ri_low:.2f},{r.ri_high:.2f},{r.p:.4g},{r.p_adj:.4g},{verdict(r, against)},{low:.3f},{high:.3f}"
        for (arm, against), r, (low, high) in zip(members, adjusted, paired, strict=True)
    ]


def verdict(row: Any, against: str) -> str:
    """The judge's words, which call the second arm `random`, with the arm's own name."""
    return '"' + row.verdict.replace("random average", "random").replace("random", against) + '"'


def main() -> None:
    """Run what is missing, and write the tables of what is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--results", type=Path, default=HERE)
    parser.add_argument("--seeds", default=f"{SEEDS[0]}-{SEEDS[-1]}")
    parser.add_argument("--blocks", default=",".join(BLOCKS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    first, _, last = options.seeds.partition("-")
    for block in options.blocks.split(","):
        for seed in range(int(first), int(last or first) + 1):
            path = options.out / f"{block}-{seed}.json"
            if not path.exists():
                begin = time.process_time()
                result = Block(seed, block, options.out).run()
                write_text(path, json.dumps({**result, "cpu_seconds": time.process_time() - begin}))
    found = [json.loads(path.read_text()) for path in sorted(options.out.glob("*.json"))]
    means, tests, everything = tables(found)
    write_text(options.results / "means.csv", means)
    write_text(options.results / "tests.csv", tests)
    write_text(options.results / "results.json", json.dumps(everything) + "\n")
    print(means, tests, sep="\n")


if __name__ == "__main__":
    main()

"""Does the judge claim what is not there, and what do two seeds and two depths say? From the paper's raw data; nothing is trained.

python experiments/judge-null-and-ranks/run.py     # OCHE_DATA must hold nas_benchmark/; half a minute
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np

from oche import judge
from oche.seeds import generator

HERE = Path(__file__).parent
REPEATS = 1000


def pool() -> dict[str, np.ndarray]:
    """Accuracies of the 214 random DARTS architectures."""
    curves = np.load(Path(os.environ["OCHE_DATA"]) / "nas_benchmark" / "curves.npz")["darts214"] / 100.0
    return {"last epoch": curves[:, -1], "best epoch": curves.max(axis=1)}


def through_compare(values: np.ndarray, k: int, n: int) -> dict[str, float]:
    """The same experiment as `null_calibration`, through the judge's own `compare`, one report at a time."""
    rng, counts, inside = generator(1, "calibration", k, n), {}, 0
    truth = 0.0
    for _ in range(REPEATS):
        drawn = rng.choice(values, k + n)
        row = judge.compare(search=drawn[:k], random=drawn[k:])
        counts[row.verdict_unadjusted] = counts.get(row.verdict_unadjusted, 0) + 1
        inside += row.ri_low <= truth <= row.ri_high
    claims = sum(v for key, v in counts.items() if key.startswith(("beats", "worse")))
    return {"claims": claims / REPEATS, "coverage": inside / REPEATS}


def families(values: np.ndarray, tests: int) -> float:
    """Share of whole reports of so many tests under the null in which Holm lets any claim through."""
    rng, wrong = generator(2, "calibration", "family", tests), 0
    for _ in range(REPEATS):
        drawn = rng.choice(values, (tests, 16))
        rows = [judge.compare(search=d[:8], random=d[8:]) for d in drawn]
        adjusted = judge.holm([r.p for r in rows])
        wrong += any(p < 0.05 and (r.ri_low > 0 or r.ri_high < 0) for r, p in zip(rows, adjusted, strict=True))
    return wrong / REPEATS


def table(name: str) -> dict[str, list[float]]:
    """Columns of a table of the raw data."""
    with (Path(os.environ["OCHE_DATA"]) / "nas_benchmark" / name).open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return {key: [float(r[key]) for r in rows] for key in rows[0] if key != "arch"}


def main() -> None:
    """Count, study, write."""
    found: dict[str, object] = {"repeats": REPEATS}
    for which, values in pool().items():
        found[f"null, {which}"] = {
            "in batches": {"claims": judge.null_calibration(values, repeats=REPEATS).claims},
            **{f"compare {k}+{n}": through_compare(values, k, n) for k, n in ((8, 8), (5, 5), (4, 12))},
        }
    found["null, reports of 5 tests with a claim after Holm"] = families(pool()["last epoch"], 5)
    seeds, depths = table("seeds_32.csv"), table("depth_8_20.csv")
    studies = [judge.rank_study(seeds, vary="train_seed"), judge.rank_study(depths, vary="cells"), judge.re_ranking(depths, seeds)]
    for study in studies[:2]:
        pair = study.pairs[0]
        found[f"ranks, {study.vary}"] = {
            **{"tau": pair.tau, "low": pair.tau_low, "high": pair.tau_high},
            **{"largest shift": pair.largest_shift, "top quarter": pair.top_overlap, "icc": study.icc, "seed sd": study.noise_sd},
            **{"architecture sd": study.arch_sd, "ceiling": study.ceiling, "null sd": study.null_sd},
        }
    found["re-ranking"] = studies[2].to_json()
    (HERE / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""Three searches on the table of NAS-Bench-201, judged against 8 random cells, against random search, and again and again with other seeds.

python experiments/judge-tabular/run.py --out out/ [--repeats 30]     # OCHE_DATA must hold nasbench201.csv.gz

The first part runs the commands of the README; the second repeats the CIFAR-10 report with fresh seeds and counts its verdicts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import oche

HERE = Path(__file__).parent
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
ALGORITHMS = ("random", "regularized-evolution?population=10&tournament=3", "reinforce")
TASK = "tabular?table=nasbench201&dataset={}&search=valid,12&report=test,200"
SEEDS = 8


def commands(out: Path) -> list[list[str]]:
    """One search per data set and algorithm, 8 random cells with the first, and the judge over all records."""
    found, folders = [], []
    for dataset in DATASETS:
        for i, algorithm in enumerate(ALGORITHMS):
            folder = out / f"{dataset}-{i}"
            folders.append(str(folder))
            words = ["search", "nasbench201", "--algorithm", algorithm, "--task", TASK.format(dataset), "--budget", "trials=100"]
            words += ["--seeds", str(SEEDS), "--no-random-search", "--store", str(out / "runs.db"), "--quiet", "--out", str(folder)]
            found.append([*words, *(["--members", "8"] if i == 0 else ["--no-baseline"])])
    return [*found, ["judge", *folders, "--out", str(out / "report"), "--quiet"]]


def repeated(repeats: int) -> dict[str, object]:
    """Verdicts on CIFAR-10 against random search and against the average, over reports of fresh seeds."""
    task, counted, gains = TASK.format("cifar10"), {}, []
    for i in range(repeats):
        seeds = [1000 + SEEDS * i + s for s in range(SEEDS)]
        runs = [oche.search("nasbench201", a, task, budget=oche.Budget(trials=100), seeds=seeds, progress=False) for a in ALGORITHMS]
        report = oche.judge.report(*runs, baseline=oche.baseline("nasbench201", task, n=8, seed=1000 + i, progress=False))
        for entry in report.entries:
            for row in (entry.average, entry.search):
                if row is not None:
                    verdicts = counted.setdefault(f"{row.algorithm} vs {row.against}", {})
                    verdicts[row.verdict] = verdicts.get(row.verdict, 0) + 1
                    if row.against == "random search" and "evolution" in row.algorithm:
                        gains.append((row.ri, row.sd_m))
    ri, sd = np.array(gains).T
    return {"repeats": repeats, "verdicts": counted, "evolution's gain, mean %": float(ri.mean()), "sd of its runs, mean": float(sd.mean())}


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    for words in commands(given.out):
        subprocess.run([sys.executable, "-m", "oche", *words], check=True)
    report = json.loads((given.out / "report" / "report.json").read_text(encoding="utf-8"))
    keys = ("dataset", "algorithm", "against", "mean_m", "sd_m", "mean_r", "ri", "ri_low", "ri_high", "p", "p_adj", "a12", "verdict")
    rows = [{k: row[k] for k in keys} for row in report["rows"]]
    checklist = {item["id"]: item["status"] for item in report["checklist"]}
    areas = [
        {"dataset": a["dataset"], "algorithm": c["algorithm"], "area": c["area"], "low": c["area_low"], "high": c["area_high"]}
        for a in report["anytime"]
        for c in a["curves"]
    ]
    found = {"verdict": report["verdict"], "rows": rows, "anytime": areas, "checklist": checklist, "repeated": repeated(given.repeats)}
    (HERE / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(found["repeated"], indent=1))


if __name__ == "__main__":
    main()

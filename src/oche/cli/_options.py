"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Program = Annotated[str, typer.Argument(help="file.py:Name, or the name of a space ('oche list spaces').", metavar="PROGRAM")]
Channels = Annotated[int | None, typer.Option("--channels", help="Argument 'channels' of the program: its width.", min=1)]
Cells = Annotated[int | None, typer.Option("--cells", help="Argument 'cells' of the program: its depth.", min=1)]
AlgorithmText = Annotated[
    str | None, typer.Option("--algorithm", "-a", help="Name and settings, e.g. 'pc-darts?k=4' ('oche list algorithms').")
]
MixerText = Annotated[str | None, typer.Option("--mixer", help="Mixer of 'one-shot', e.g. 'partial-channels?k=4'.")]
WeightingText = Annotated[str | None, typer.Option("--weighting", help="Weighting, of any algorithm with a supernet, e.g. max-w.")]
SchemeText = Annotated[str | None, typer.Option("--scheme", help="Scheme, of any algorithm with a supernet, e.g. 'rarts'.")]
FlowText = Annotated[str | None, typer.Option("--flow", help="How decisions are divided, e.g. 'factorized?outer=^op' ('oche list flows').")]
TaskText = Annotated[str | None, typer.Option("--task", help="Name and settings, e.g. 'classification?data=digits' ('oche list tasks').")]
DataText = Annotated[str | None, typer.Option("--data", help="Data set of a classification task, e.g. digits or 'cifar10[:5000]'.")]
RecipeText = Annotated[str | None, typer.Option("--recipe", help="How networks are trained: 'epochs=20,lr=0.1', or 'digits?epochs=20'.")]
SearchRecipe = Annotated[str | None, typer.Option("--search-recipe", help="The same while searching; like --recipe if absent.")]
FinalText = Annotated[str | None, typer.Option("--final", help="Arguments of the final program, e.g. 'channels=32,cells=2'.")]
ObjectivesText = Annotated[
    str | None, typer.Option("--objectives", help="Several metrics to search by, e.g. 'valid:max,params:min' (with nsga2).")
]
Seeds = Annotated[str, typer.Option("--seeds", help="How many seeds, or a list: 5 or 0,3,7.")]
BudgetText = Annotated[
    str | None, typer.Option("--budget", help="Limits per run, e.g. 'trials=40,seconds=120'; default: the algorithm's plan.")
]
StoreText = Annotated[str | None, typer.Option("--store", help="SQLite file or database URL; the same command continues what it holds.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for records, report and the found network.")]
ExecutorText = Annotated[str, typer.Option("--executor", help="serial, 'processes?workers=2' or ray.")]
Parallel = Annotated[int, typer.Option("--parallel", help="Proposals in flight of one run; part of its definition.", min=1)]
Threads = Annotated[int, typer.Option("--threads", help="Threads of one trial; part of its definition.", min=1)]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run in its store.")]
MaxParams = Annotated[int | None, typer.Option("--max-params", help="Only members with at most so many weights.", min=1)]
MaxMacs = Annotated[int | None, typer.Option("--max-macs", help="Only members with at most so many multiply-adds for one input.", min=1)]
Where = Annotated[
    str | None, typer.Option("--where", help="Only members for which file.py:function holds; '?of=decisions' passes labels by key.")
]
WarmStart = Annotated[
    str | None, typer.Option("--warm-start", help="Trials made before, learned first: 'runs.db', 'runs.db:NAME' or a CSV file.")
]
PriorText = Annotated[
    str | None, typer.Option("--prior", help="JSON file of beliefs about good values, e.g. 'prior.json?confidence=high'.")
]
EarlyStopping = Annotated[
    str | None,
    typer.Option("--early-stopping", help="End trials while they run, e.g. 'asha?min=1&eta=3', median or 'gates?rank=3:0.5'."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no tables; only the result in one line.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, check everything that can be checked, do nothing.")]

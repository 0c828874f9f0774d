"""The example of a fair chance with the seeds of the experiment; what it prints is `results.txt`.

python experiments/sharp-fair-chance/run.py > experiments/sharp-fair-chance/results.txt
"""

from __future__ import annotations

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[2] / "examples" / "fair_chance.py"))["main"](40)

"""Speed of symbolic objects, spaces and search beside PyGlove, row by row, in one process and interleaved.

Run `python benchmarks/symbolic.py`, or some rows only: `--only "json|hash" --rounds 3`. It exits with 1 if a target is missed. Rows of
objects are in `symbolic_object_rows.py`, those of spaces and DNA in `symbolic_space_rows.py`, those of search in
`symbolic_search_rows.py`; how a row is timed is in `symbolic_frame.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from symbolic_frame import Row, run

_MODULES = ("symbolic_object_rows", "symbolic_space_rows", "symbolic_search_rows")


def main() -> int:
    """Collect the rows of all modules and measure them."""
    rows: list[Row] = []
    for name in _MODULES:
        if importlib.util.find_spec(name):
            rows += importlib.import_module(name).rows()
    return run(rows, title=__doc__ or "")


if __name__ == "__main__":
    sys.exit(main())

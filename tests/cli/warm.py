"""A process that runs one command of oche after another: `python -m tests.cli.warm`, one line of JSON for each on its standard input.

For commands that are refused: the same `main` with real descriptors and a real exit code, without loading the library for each.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any


def run(words: list[str], folder: str) -> dict[str, Any]:
    """Run `oche WORDS...` in a folder: its exit code, and what it wrote to its standard output and error."""
    from oche.cli import main

    os.chdir(folder)
    code: Any = 0
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        for number, path in ((1, out), (2, err)):
            target = os.open(path, os.O_WRONLY | os.O_CREAT)
            os.dup2(target, number)
            os.close(target)
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        return {"returncode": code, "stdout": out.read_text(), "stderr": err.read_text()}


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as answers:
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(run(request["words"], request["folder"])), file=answers, flush=True)

"""The directive `changed-lines`: a table of what it took to add a search to each program of `examples/before_after`.

The numbers are counted while the pages are built, from the two files of each pair; none is written by hand. Counted are all lines, blank
ones and comments too. A line that was only moved or taken out does not stand in the later file as new, so it is shown apart.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PAIRS = Path(__file__).parents[1] / "examples" / "before_after"


@dataclass(frozen=True)
class Pair:
    """The counts of one program: lines before, lines of the later file that are new or changed, lines of the first that are gone."""

    name: str
    lines: int
    changed: int
    gone: int


def count(name: str, folder: Path = PAIRS) -> Pair:
    """Compare `<name>_before.py` and `<name>_after.py` line by line."""
    before, after = (pair_file(name, which, folder).read_text(encoding="utf-8").splitlines() for which in ("before", "after"))
    told = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return Pair(name, len(before), sum(line.startswith("+") for line in told), sum(line.startswith("-") for line in told))


def pair_file(name: str, which: str, folder: Path = PAIRS) -> Path:
    """One file of a pair."""
    return folder / f"{name}_{which}.py"


def names(folder: Path = PAIRS) -> list[str]:
    """All programs of the folder."""
    return sorted(path.name.removesuffix("_before.py") for path in folder.glob("*_before.py"))


class ChangedLines(SphinxDirective):
    """```{changed-lines}``` becomes the table."""

    def run(self) -> list[nodes.Node]:
        """The table, which is made anew whenever one of the files changes."""
        for name in names():
            for which in ("before", "after"):
                self.env.note_dependency(str(pair_file(name, which)))
        head = ("program", "lines before", "added or changed for the search", "gone")
        rows = [(f"{p.name}_after.py", p.lines, p.changed, p.gone) for p in map(count, names())]
        return [table(head, rows)]


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> nodes.table:
    """A table of text."""

    def row(cells: tuple[object, ...]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", str(cell))) for cell in cells))

    columns = [nodes.colspec(colwidth=1) for _ in head]
    group = nodes.tgroup("", *columns, nodes.thead("", row(head)), nodes.tbody("", *map(row, rows)), cols=len(head))
    return nodes.table("", group)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("changed-lines", ChangedLines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The page of a study of protocols, ranks or spaces, drawn from its JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from typing import Any


def study_page(values: Mapping[str, Any]) -> str:
    """The page as text: one file that needs no network and no script.

    Args:
        values: The study as JSON values, schema `oche.study/1`.
    """
    from oche.judge._page import render

    return render(
        "study.html.j2",
        values["title"],
        json.dumps(values, ensure_ascii=False, allow_nan=False),
        values=values,
        lines=[
            (
                name,
                len(column),
                f"{statistics.mean(column):.2f}",
                f"{statistics.stdev(column):.2f}",
                f"{min(column):.2f}",
                f"{max(column):.2f}",
            )
            for name, column in values["values"].items()
        ],
    )

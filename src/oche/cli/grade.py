"""`oche grade`: grade a file of responses against their references."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError, DataError

_RESPONSE = ("response", "resp", "text", "completion")
_REFERENCE = ("reference", "ref_ans", "final_answer", "answer", "Answer")
_BATCH = 256


def command(
    file: Annotated[Path, typer.Argument(help="JSON lines, plain or .gz: a response and a reference per line.")],
    grader: Annotated[
        str, typer.Option("--grader", "-g", help="Name and settings, e.g. 'strict?lenient=true' ('oche list graders').")
    ] = "strict",
    out_file: Annotated[Path | None, typer.Option("--out", help="File for the graded lines, JSON lines.")] = None,
    response: Annotated[
        str | None, typer.Option("--response", help=f"Column of the response; default: the first of {', '.join(_RESPONSE)}.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help=f"Column of the reference; default: the first of {', '.join(_REFERENCE)}.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Worker processes for what strings do not decide.", min=1)] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds that one comparison may take.")] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Grade responses: correct, wrong, unparsable or timed out, each counted by itself.

    Example: oche grade responses.jsonl --grader strict --out graded.jsonl

    Lines of the output are those of the input with outcome, correct, extracted, reason, seconds and warnings added.
    """
    from oche.files import write_text
    from oche.loop.progress_bar import progress
    from oche.rejection import graders

    out = Output(as_json, quiet)
    settings = {k: v for k, v in (("workers", workers), ("timeout", timeout)) if v is not None}
    rows = list(_rows(file, response, reference))
    if not rows:
        raise DataError(f"{file}: got no lines; allowed: one JSON object per line, with a response and a reference")
    begun = time.perf_counter()
    grades: list[Any] = []
    with graders.get(grader, **settings) as made, progress("grade", out.chatty) as update:
        for at in range(0, len(rows), _BATCH):
            part = rows[at : at + _BATCH]
            grades += _graded(made, part, file)
            update(len(grades) / len(rows), f"{len(grades)} of {len(rows)}")
    seconds = time.perf_counter() - begun
    if out_file is not None:
        lines = [json.dumps({**row, **_columns(g)}, ensure_ascii=False) for (_, row, _, _), g in zip(rows, grades, strict=True)]
        write_text(out_file, "\n".join(lines) + "\n")
        out.say(f"graded lines: {out_file}")
    counts = graders.counts(grades)
    out.table(("outcome", "responses", "share"), [(k, n, f"{n / len(rows):.1%}") for k, n in counts.items()])
    accuracy = counts["correct"] / len(rows)
    value = {"file": str(file), "grader": grader, "n": len(rows), "counts": counts, "accuracy": accuracy, "seconds": seconds}
    value["worst_seconds"] = max(g.seconds for g in grades)
    said = f"{counts['correct']} of {len(rows)} correct ({accuracy:.1%}) by grader {grader!r} in {seconds:.1f} s"
    out.result(value, said)


def _graded(grader: Any, part: list[tuple[int, dict[str, Any], str, Any]], file: Path) -> list[Any]:
    try:
        return grader.grade_many([(text, {**row, "reference": wanted}) for _, row, text, wanted in part])
    except ArgumentError:
        # One of these lines is at fault: find out which.
        for number, row, text, wanted in part:
            try:
                grader.grade(text, {**row, "reference": wanted})
            except ArgumentError as error:
                raise DataError(f"{file}, line {number}: {error}") from error
        raise


def _columns(grade: Any) -> dict[str, Any]:
    names = ("outcome", "answer", "reason", "seconds", "warnings")
    known = grade.to_json()
    # The input may have a column `answer` that holds the reference.
    found = {("extracted" if n == "answer" else n): known[n] for n in names}
    return {**found, "correct": grade.correct}


def _rows(file: Path, response: str | None, reference: str | None) -> Iterator[tuple[int, dict[str, Any], str, Any]]:
    for number, line in _lines(file):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{file}, line {number}: got no JSON ({error.msg}); allowed: one JSON object per line") from error
        if not isinstance(row, dict):
            raise DataError(f"{file}, line {number}: got {type(row).__name__}; allowed: a JSON object with a response and a reference")
        text = _column(row, response, _RESPONSE, "response", file, number)
        wanted = _column(row, reference, _REFERENCE, "reference", file, number)
        if not isinstance(text, str):
            raise DataError(f"{file}, line {number}: got a response that is {type(text).__name__}; allowed: text")
        yield number, row, text, wanted


def _column(row: dict[str, Any], given: str | None, known: tuple[str, ...], what: str, file: Path, number: int) -> Any:
    names = (given,) if given else known
    name = next((n for n in names if n in row), None)
    if name is None:
        raise DataError(
            f"{file}, line {number}: got columns {sorted(row)}, without a {what}; allowed: {', '.join(names)}; name yours with --{what}"
        )
    return row[name]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    if not file.is_file():
        raise DataError(f"file: got {str(file)!r}, which is not there; allowed: a file of JSON lines")
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as handle:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise DataError(f"file: got {str(file)!r}, which cannot be read ({error}); allowed: JSON lines in UTF-8, plain or gzip") from error

"""`oche doctor`: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import util
from pathlib import Path
from typing import Annotated

import typer

from oche.cli import _options as option
from oche.cli._output import Output

#: Extra to the modules that show that it is installed.
EXTRAS = {
    "data": ("datasets", "pyarrow", "PIL"),
    "optuna": ("optuna", "cmaes"),
    "ray": ("ray",),
    "postgres": ("psycopg",),
    "export": ("onnx", "onnxscript"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    Args:
        check: What was looked at.
        found: What was seen.
        status: `ok`, `note` (works, could be better) or `broken`.
        advice: What to do, if anything.
    """

    check: str
    found: str
    status: str = "ok"
    advice: str = ""


def command(
    store: Annotated[Path | None, typer.Option("--store", help="Also try to write a store beside this file.")] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Look at Python, torch, devices, threads, extras, data and whether a store can be written; give advice.

    Example: oche doctor
    """
    out = Output(as_json, quiet)
    findings = list(examine(store or Path("oche.db")))
    broken = [f for f in findings if f.status == "broken"]
    out.table(("check", "found", "", "advice"), [(f.check, f.found, f.status, f.advice) for f in findings])
    said = f"{len(broken)} broken: {', '.join(f.check for f in broken)}" if broken else "everything that is needed works"
    out.result({"findings": [asdict(f) for f in findings], "ok": not broken}, said)
    if broken:
        raise typer.Exit(1)


def examine(store: Path) -> Iterator[Finding]:
    """All findings, one after the other."""
    yield _python()
    yield from _torch()
    yield _cores()
    for extra, modules in EXTRAS.items():
        missing = [m for m in modules if util.find_spec(m) is None]
        if missing:
            yield Finding(f"extra {extra}", f"without {', '.join(missing)}", "note", f"if you need it: pip install 'oche[{extra}]'")
        else:
            yield Finding(f"extra {extra}", ", ".join(modules))
    yield _data()
    yield _cache()
    yield _writable(store)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", version)


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:  # a torch that is there may fail in many ways; that is what is asked
        yield Finding("torch", f"{type(error).__name__}: {error}", "broken", "pip install torch")
        return
    yield Finding("torch", torch.__version__)
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    advice = "" if len(devices) > 1 else "no accelerator: equal results bit for bit, smaller networks"
    yield Finding("devices", ", ".join(devices), "ok" if len(devices) > 1 else "note", advice)
    yield Finding("threads", f"torch would use {torch.get_num_threads()}; a trial uses --threads (default 1)")


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores == 1:
        return Finding("cores", "1", "note", "one worker only: --executor serial")
    return Finding("cores", str(cores), "ok", f"several seeds fill them: --executor 'processes?workers={cores}'")


def _data() -> Finding:
    from oche.files import data_dir

    value = os.environ.get("OCHE_DATA")
    folder = data_dir()
    if folder is not None:
        return Finding("OCHE_DATA", f"{folder}: {', '.join(sorted(p.name for p in folder.iterdir())) or 'empty'}")
    if value:
        return Finding("OCHE_DATA", f"{value}: no such folder", "note", "set it to a folder with data sets, or unset it")
    return Finding("OCHE_DATA", "not set", "note", "digits needs no files; for others: export OCHE_DATA=<folder>")


def _cache() -> Finding:
    from oche.files import cache_dir

    try:
        return Finding("cache", str(cache_dir()))
    except OSError as error:
        return Finding("cache", str(error), "broken", "set OCHE_CACHE to a folder that can be written")


def _writable(store: Path) -> Finding:
    """Whether SQLite with a write-ahead log works where a store would lie (it does not on some network drives)."""
    import sqlite3

    folder = store.expanduser().resolve().parent
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            connection = sqlite3.connect(Path(scratch) / "try.db")
            try:
                (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
                connection.execute("CREATE TABLE t (x)")
                connection.commit()
            finally:
                connection.close()
    except (OSError, sqlite3.Error) as error:
        return Finding("store", f"{folder}: {error}", "broken", "choose another folder for --store and --out")
    if mode != "wal":
        return Finding("store", f"{folder}: journal mode {mode}", "note", "a local disk is faster and safer for --store")
    return Finding("store", f"{folder}: can be written")

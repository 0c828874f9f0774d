"""The words of a search, kept beside its checkpoints, so that `oche runs resume` can say them again.

Only words of `oche` are kept and only `oche` reads them: nothing of the file is executed by a shell.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oche.errors import StoreError
from oche.files import write_text

SCHEMA = "oche.command/1"


def remember(store: Any, name: str, words: Sequence[str]) -> None:
    """Keep `words` for the runs called `name`; a store without a folder keeps nothing."""
    path = _path(store, name)
    if path is None:
        return
    try:
        write_text(path, json.dumps({"schema": SCHEMA, "name": name, "folder": os.getcwd(), "words": list(words)}, indent=2) + "\n")
    except OSError as error:
        raise StoreError(f"store {store.url}: cannot write {str(path)!r} ({error.strerror}); allowed: a writable folder") from error


def remembered(store: Any, name: str) -> list[str] | None:
    """The words that `remember` kept, or None."""
    path = _path(store, name)
    if path is None or not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        words = value["words"]
        if value["schema"] != SCHEMA or words[0] != "search" or not all(isinstance(w, str) for w in words):
            raise ValueError("not a search")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise StoreError(f"command file: got {str(path)!r}, not written by oche ({error}); run the search command again") from error
    return words


def _path(store: Any, name: str) -> Path | None:
    files = getattr(store, "files", None)
    return Path(files) / "commands" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json" if files is not None else None

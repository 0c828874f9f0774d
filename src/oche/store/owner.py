"""Who executes a run: a process, named so that another process on the same machine can tell whether it is still alive.

Two processes that work on one run would write over each other; a dead owner does not matter.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from oche.errors import StoreError


def me() -> str:
    """This process as `host:pid:start`."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def check_free(owner: str, run: str) -> None:
    """Do nothing if `owner` is empty, dead, or this process.

    Raises:
        StoreError: the owner is alive on this machine.
    """
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    started = owner.rpartition(":")[2]
    if not host or host != socket.gethostname() or not rest.isdigit() or int(rest) == os.getpid():
        return
    if _alive(int(rest)) and _started(int(rest)) == started:
        raise StoreError(
            f"run {run}: got a run that process {rest} executes now; allowed: one process per run; wait for it or stop it first"
        )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started(pid: int) -> str:
    # Process ids are used again; the start time (field 22 of the kernel's table) tells two of the same number apart.
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "0"
    fields = text.rpartition(")")[2].split()
    # A zombie is dead: it executes nothing.
    return "dead" if fields[0] == "Z" else fields[19]

"""The worker process: `python -m oche.loop.worker`, a fresh interpreter that gets the target once and then small messages.

It talks over its standard input and output, which it moves away first, so that a `print` in the user's program cannot garble
the answers. It ignores Ctrl-C (the parent decides), dies with its parent, and reports a failure instead of ending.
"""

from __future__ import annotations

import ctypes
import io
import os
import pickle
import signal
import struct
import sys
import threading
import time
from typing import Any, BinaryIO

_HEARTBEAT_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1
_LENGTH = struct.Struct("<Q")


def write_message(stream: BinaryIO, value: bytes) -> None:
    """Write one message: its length in 8 bytes, then itself."""
    stream.write(_LENGTH.pack(len(value)))
    stream.write(value)
    stream.flush()


def read_message(stream: BinaryIO) -> bytes | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def encode(value: Any) -> bytes:
    """A result as bytes; a result that cannot be carried over becomes a failure that says so."""
    import cloudpickle

    from oche.loop.executors.base import Failure, Outcome

    try:
        data = cloudpickle.dumps(value)
        if isinstance(value, Outcome) and value.failure is not None:
            # An exception class may refuse to be built again from its arguments: find out here, not in the parent.
            pickle.loads(data)
        return data
    except Exception as error:
        if isinstance(value, Outcome) and value.failure is not None:
            old = value.failure
            return pickle.dumps(Outcome(None, Failure(old.kind, old.reason, None, old.trace), value.seconds, value.cpu_seconds))
        reason = f"{type(error).__name__}: the result cannot be sent back ({error})"
        return pickle.dumps(Outcome(None, Failure("error", reason)))


def die_with_parent(parent: int) -> None:
    """End this process when the process `parent` ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have ended before the call above.
        if os.getppid() != parent:
            os._exit(1)
        return
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_HEARTBEAT_SECONDS)
    os._exit(1)


class MemoryLimit:
    """Caps the data memory of this process at what it holds now plus `extra` bytes, where asked to.

    Linux counts private writable memory (`RLIMIT_DATA`): heap and anonymous mappings, which is what arrays and tensors are.
    Unlike the address space it does not count libraries and reserved ranges, so it works with torch; unlike a watch over the
    resident size it makes the allocation itself fail, so the worker lives on and the trial says why.
    """

    def __init__(self, extra: int | None) -> None:
        self.extra = extra
        self._base = _data_bytes() if extra is not None else 0

    def set(self, active: bool) -> None:
        """Switch the cap on or off."""
        if self.extra is None:
            return
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (self._base + self.extra if active else hard, hard))


def _data_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as handle:
        for line in handle:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmData")


def load_target(data: bytes, threads: int) -> Any:
    """Unpickle the target, let it prepare, set the number of threads."""
    from oche.loop.threads import set_torch_threads

    target = pickle.loads(data)
    prepare = getattr(target, "prepare", None)
    if prepare is not None:
        prepare()
    set_torch_threads(threads)
    return target


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    first = read_message(source)
    if first is None:
        return
    setup = pickle.loads(first)
    sys.path[:] = setup["path"]
    from oche.loop.executors.base import Outcome, failed, perform
    from oche.loop.threads import set_torch_threads

    try:
        target = load_target(setup["target"], setup["threads"])
    except Exception as error:
        write_message(sink, encode(Outcome(None, failed(error, "error"))))
        return
    limit = MemoryLimit(setup["memory_bytes"])
    write_message(sink, encode(Outcome("ready")))
    while (data := read_message(source)) is not None:
        message, limited = pickle.loads(data)
        limit.set(limited)
        outcome = perform(target, message)
        limit.set(False)
        # A message may have been the first to import torch.
        set_torch_threads(setup["threads"])
        write_message(sink, encode(outcome))


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(int(sys.argv[1]))
    source = os.fdopen(os.dup(0), "rb")
    sink = io.BufferedWriter(io.FileIO(os.dup(1), "wb"))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - stays open as long as the process
    _serve(source, sink)


if __name__ == "__main__":
    main()

"""How many threads numeric libraries use: results are equal bit for bit only at equal numbers of threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

#: Read by numeric libraries when they load.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def environment(threads: int) -> dict[str, str]:
    """Variables for a new process."""
    return dict.fromkeys(VARIABLES, str(threads))


def set_torch_threads(threads: int) -> None:
    """Set torch's number of threads if torch is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Use `threads` threads inside the block, in libraries that are loaded and in those that get loaded in it."""
    saved_environment = {name: os.environ.get(name) for name in VARIABLES}
    torch = sys.modules.get("torch")
    saved_threads = torch.get_num_threads() if torch is not None else None
    os.environ.update(environment(threads))
    limits = _limit_libraries(threads)
    set_torch_threads(threads)
    try:
        yield
    finally:
        for name, value in saved_environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if limits is not None:
            limits.restore_original_limits()
        if saved_threads is not None:
            set_torch_threads(saved_threads)


#: Number of modules at the last look, and the libraries found then.
_found: tuple[int, Any] = (-1, None)


def _limit_libraries(threads: int) -> Any:
    # Looking through the loaded libraries takes some milliseconds: it is done again only after something was imported.
    global _found
    with suppress(ImportError):
        from threadpoolctl import ThreadpoolController  # comes with scikit-learn

        if _found[0] != len(sys.modules):
            _found = (len(sys.modules), ThreadpoolController())
        return _found[1].limit(limits=threads)
    return None

"""SGD, Adam and AdamW of torch, without its compiler.

The first optimizer of a process makes torch import `torch._dynamo`, the front end of `torch.compile`, and sympy with it, only to mark
methods as not to be compiled: about as long again as the import of torch itself, in every worker. Nothing here is compiled, so these
classes call the methods below the marks. The arithmetic is torch's own, bit for bit, and so are states and their names.
"""

from __future__ import annotations

import inspect
from typing import TypeVar, cast

import torch

_Class = TypeVar("_Class", bound=type[torch.optim.Optimizer])

#: Methods that torch marks for its compiler.
_MARKED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def _unmarked(base: _Class) -> _Class:
    """A subclass of `base` whose methods are those that torch wrapped; a torch that wraps them no more is left as it is."""
    methods = {name: inspect.unwrap(getattr(base, name)) for name in _MARKED}
    step = torch.no_grad()(inspect.unwrap(base.step))
    return cast("_Class", type(base.__name__, (base,), {"__doc__": base.__doc__, "__module__": __name__, "step": step, **methods}))


SGD = _unmarked(torch.optim.SGD)
Adam = _unmarked(torch.optim.Adam)
AdamW = _unmarked(torch.optim.AdamW)

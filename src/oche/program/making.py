"""The functions with which programs are written: `oneof`, `manyof`, `permutate`, `repeat`, `floatv`, `intv`, `custom`, `evolve`,
`recursive`.

While a program runs under a resolver they return what the resolver says. In the constructor of a torch module that runs outside of
any search they return the first candidate, so that a class with choices in it stays an ordinary class. Anywhere else they return the
choice itself, as data.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oche.errors import SpaceError
from oche.program.choice import Choice, ManyOf, NumberChoice, OneOf, Repeat
from oche.program.node import is_module
from oche.program.resolver import Defaults, current
from oche.program.text_choice import Evolve, Serialized, TextChoice

#: A bounded recursion may go so deep.
DEEPEST = 32


def oneof(candidates: Any, name: str | None = None, relaxed_only: Sequence[str] = (), **given: Any) -> Any:
    """Choose one of several candidates.

    Args:
        candidates: A list or tuple, or a dict from label to candidate. A candidate is a value, a node, a container, or something
            callable that is called with the `given` arguments when the candidate is needed; choices may stand inside.
        name: Key of the decision. Choices of one name are one decision, each with its own weights.
        relaxed_only: Labels that take part in a mixture but are never a decision (`none` of the DARTS space).
        **given: Arguments for callable candidates. A mixer may ask for the same candidate with others (fewer `channels`).

    Returns:
        The choice itself, or, while a program runs, what the present search says.

    Raises:
        SpaceError: no candidates, equal labels, unknown `relaxed_only`, or a module that is already built.

    Source: Peng et al. 2020 (PyGlove), hyper value `oneof`; `given` and `relaxed_only` are ours.

    Example:
        >>> from oche.program import Space
        >>> Space({"width": oneof([16, 32]), "depth": oneof([1, 2, 3])}).size
        6
    """
    labeled = _label("oneof", name, candidates)
    missing = [r for r in relaxed_only if r not in labeled]
    if missing:
        raise SpaceError(f"oneof {name or ''!r}, relaxed_only: got {missing[0]!r}; allowed: {', '.join(labeled)}")
    choice = OneOf(name, labeled, given, relaxed_only)
    if not choice.decidable:
        raise SpaceError(f"oneof {name or ''!r}: got only candidates that are relaxed only; allowed: at least one other")
    return meet(choice)


def manyof(
    k: int,
    candidates: Any,
    distinct: bool = True,
    sorted: bool = False,
    merge: str | Callable[..., Any] | None = None,
    name: str | None = None,
    **given: Any,
) -> Any:
    """Choose `k` of several candidates.

    Args:
        k: How many.
        candidates: As in `oneof`.
        distinct: Whether no candidate may be taken twice.
        sorted: Whether the order of the picks does not count (candidate indices go up).
        merge: `sum`, `mean` or a function of a list of tensors: the result is a module that is called with one tensor per
            candidate and merges the outputs of the chosen ones. Implies distinct, sorted picks. With k equal to the number of
            candidates nothing is decided, but a supernet may still weight the inputs.
        name: As in `oneof`.
        **given: As in `oneof`.

    Returns:
        A list of k values, or a module if `merge` is given.

    Raises:
        SpaceError: too few candidates, or an unknown `merge`.

    Example:
        >>> from oche.program import Space
        >>> [Space(manyof(2, [0, 1, 2, 3], distinct=d, sorted=s)).size for d in (True, False) for s in (True, False)]
        [6, 12, 10, 16]
    """
    labeled = _label("manyof", name, candidates)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise SpaceError(f"manyof {name or ''!r}: got k={k!r}; allowed: a whole number from 1")
    if merge is not None:
        distinct = sorted = True
        if not callable(merge) and merge not in ("sum", "mean"):
            raise SpaceError(f"manyof {name or ''!r}, merge: got {merge!r}; allowed: 'sum', 'mean', or a function of a list of tensors")
    if distinct and k > len(labeled):
        raise SpaceError(
            f"manyof {name or ''!r}: got k={k} of {len(labeled)} candidates; allowed: k up to {len(labeled)}; "
            "too few candidates: add some, or use distinct=False"
        )
    return meet(ManyOf(k, labeled, distinct, sorted, merge, name, given))


def permutate(candidates: Any, name: str | None = None) -> Any:
    """Choose an order of all candidates.

    Example:
        >>> from oche.program import Space
        >>> Space(permutate([1, 2, 3, 4, 5])).size
        120
    """
    labeled = _label("permutate", name, candidates)
    return meet(ManyOf(len(labeled), labeled, True, False, None, name, kind="permutate"))


def repeat(make: Callable[..., Any], count: Any, name: str | None = None) -> Any:
    """Put layers in a row, as many as a choice says.

    Args:
        make: Builds a layer; called with its index if it takes an argument.
        count: A whole number, a list of them, or `oneof` / `intv` of them in tree style.
        name: Key of the decision on the count.

    Returns:
        A `torch.nn.Sequential` if the layers are modules, else a list.
    """
    counts = _counts(count, name)
    if not callable(make):
        raise SpaceError(f"repeat {name or ''!r}: got {make!r}; allowed: something that builds a layer, such as lambda i: ...")
    return meet(Repeat(make, counts, name or getattr(count, "name", None)))


def floatv(lo: float, hi: float, scale: str = "linear", name: str | None = None) -> Any:
    """Choose a float from [lo, hi].

    Args:
        lo, hi: Both ends included.
        scale: `linear`; `log`: uniform in the logarithm; `rlog`: dense at the upper end.
        name: As in `oneof`.

    Raises:
        SpaceError: the range is empty or not finite, or `lo` is not positive on a logarithmic scale.
    """
    _check_range("floatv", name, lo, hi, scale, ("linear", "log", "rlog"))
    return meet(NumberChoice("float", float(lo), float(hi), scale, 1, name))


def intv(lo: int, hi: int, step: int = 1, log: bool = False, name: str | None = None) -> Any:
    """Choose a whole number from lo, lo + step, ... up to hi.

    Raises:
        SpaceError: the range is empty, or an argument is not whole, or `lo` is not positive with `log`.
    """
    for what, value in (("lo", lo), ("hi", hi), ("step", step)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise SpaceError(f"intv {name or ''!r}, {what}: got {value!r}; allowed: a whole number")
    if step < 1:
        raise SpaceError(f"intv {name or ''!r}, step: got {step}; allowed: 1 or more")
    _check_range("intv", name, lo, hi, "log" if log else "linear", ("linear", "log"))
    return meet(NumberChoice("int", lo, lo + (hi - lo) // step * step, "log" if log else "linear", step, name))


def custom(
    encode: Callable[[Any], str],
    decode: Callable[[str], Any],
    random: Callable[[Any], str],
    mutate: Callable[[str, Any], str],
    name: str | None = None,
) -> Any:
    """Choose a value that you encode as text yourself. The space becomes infinite: it can be sampled, but not counted.

    Args:
        encode: Text of a value.
        decode: Value of a text; raises where the text is no gene.
        random: New text, from a NumPy generator.
        mutate: Changed text, from a text and a NumPy generator; what algorithms call where they redraw this decision.
        name: As in `oneof`.

    Raises:
        SpaceError: an argument cannot be called.

    Source: Peng et al. 2020 (PyGlove), custom decision points.

    Example:
        >>> from oche.program import DNA, Space
        >>> space = Space({"word": custom(str, str.upper, lambda rng: "ab"[rng.integers(2)], lambda text, rng: text + "c")})
        >>> space.decode(DNA(("abc",)))
        {'word': 'ABC'}
    """
    for rule, function in (("encode", encode), ("decode", decode), ("random", random), ("mutate", mutate)):
        if not callable(function):
            raise SpaceError(f"custom {name or ''!r}, {rule}: got {function!r}; allowed: a function")
    rules = tuple(_function_name(f) for f in (encode, decode, random, mutate))
    return meet(TextChoice("custom", encode, decode, random, mutate, name, rules))


def evolve(initial: Any, mutate: Callable[[Any, Any], Any], spread: int = 10, name: str | None = None) -> Any:
    """Choose a program of free form: the gene is the program's own text, and `mutate` is the only way to get from one to the next.

    Args:
        initial: Where evolution starts: a node, or a value that JSON can hold.
        mutate: Changed program, from a program and a NumPy generator; it must not change what it was given.
        spread: A random member is the initial program after 0 to this many mutations (ours).
        name: As in `oneof`.

    Raises:
        SpaceError: the program does not come back from its text, or an argument is not of its kind.

    Source: Peng et al. 2020 (PyGlove), `evolve`; `spread` is ours, where the original starts with the initial program alone.

    Example:
        >>> from oche.program import Space
        >>> space = Space(evolve([1], lambda program, rng: [*program, int(rng.integers(9))]))
        >>> space.decode(space.encode([1, 2, 3]))
        [1, 2, 3]
    """
    if not callable(mutate):
        raise SpaceError(f"evolve {name or ''!r}, mutate: got {mutate!r}; allowed: a function of a program and a generator")
    if isinstance(spread, bool) or not isinstance(spread, int) or spread < 0:
        raise SpaceError(f"evolve {name or ''!r}, spread: got {spread!r}; allowed: a whole number from 0")
    return meet(Evolve(Serialized(initial, mutate, spread, name), name, (_function_name(mutate),)))


def recursive(make: Callable[[Callable[[], Any] | None], Any], max_depth: int | None = None) -> Any:
    """A choice whose candidates may hold the same choice again, so many levels deep.

    Args:
        make: Makes the choice of one level. It is called with a function that makes the next level, and with None at the deepest one,
            where it must offer candidates that end. Leave choices inside without names: each level decides for itself.
        max_depth: Number of levels, 1 to 32. It must be given: without it the space would not be finite, nor its discovery end.

    Raises:
        SpaceError: no bound, or one out of range.

    Example:
        >>> from oche.program import Space
        >>> def expression(again):
        ...     return oneof(["x", "1"] + ([{"add": [again(), again()]}] if again else []))
        >>> [Space(recursive(expression, max_depth=d)).size for d in (1, 2, 3)]
        [2, 6, 38]
    """
    if not callable(make):
        raise SpaceError(f"recursive: got {make!r}; allowed: a function of the next level, see oche.recursive")
    if max_depth is None:
        raise SpaceError("recursive: got no max_depth; allowed: 1 to 32; a bound keeps the space countable; add max_depth=3")
    if isinstance(max_depth, bool) or not isinstance(max_depth, int) or not 1 <= max_depth <= DEEPEST:
        raise SpaceError(f"recursive, max_depth: got {max_depth!r}; allowed: a whole number from 1 to {DEEPEST}")

    def level(depth: int) -> Any:
        return make(None if depth == max_depth else lambda: level(depth + 1))

    return level(1)


def _function_name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def meet(choice: Choice) -> Any:
    """What the current resolver says of a choice; in the constructor of a module that runs outside of any, the choice's default."""
    resolver = current()
    if resolver is not None:
        return resolver.resolve(choice)
    return Defaults().resolve(choice) if _in_a_module() else choice


def _in_a_module() -> bool:
    """Whether the constructor of a torch module is running: a class with choices is then used as an ordinary class."""
    torch = sys.modules.get("torch")
    frame = sys._getframe(1) if torch is not None else None
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__init__" and code.co_argcount and is_module(frame.f_locals.get(code.co_varnames[0])):
            return True
        frame = frame.f_back
    return False


def _label(kind: str, name: str | None, candidates: Any) -> dict[str, Any]:
    if isinstance(candidates, Mapping):
        if not all(isinstance(k, str) and k for k in candidates):
            raise SpaceError(f"{kind} {name or ''!r}: got labels {list(candidates)!r}; allowed: text")
        labeled = dict(candidates)
    elif isinstance(candidates, (list, tuple)):
        labels = [_natural_label(c, i) for i, c in enumerate(candidates)]
        if len(set(labels)) != len(labels):
            labels = [str(i) for i in range(len(candidates))]
        labeled = dict(zip(labels, candidates, strict=True))
    else:
        raise SpaceError(f"{kind} {name or ''!r}: got {type(candidates).__name__}; allowed: a list, a tuple or a dict of candidates")
    if not labeled:
        raise SpaceError(f"{kind} {name or ''!r}: got no candidates; allowed: at least one; too few candidates")
    return labeled


def _natural_label(candidate: Any, index: int) -> str:
    if candidate is None or isinstance(candidate, (bool, int, float, str)):
        return str(candidate) or str(index)
    name = getattr(candidate, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else str(index)


def _counts(count: Any, name: str | None) -> tuple[int, ...]:
    if isinstance(count, NumberChoice) and count.kind == "int":
        values: Sequence[Any] = range(int(count.lo), int(count.hi) + 1, count.step)
    elif isinstance(count, OneOf):
        values = list(count.candidates.values())
    elif isinstance(count, (list, tuple, range)):
        values = list(count)
    else:
        values = [count]
    if not values or not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in values) or len(set(values)) != len(values):
        raise SpaceError(f"repeat {name or ''!r}, count: got {count!r}; allowed: a whole number from 0, or a list of different ones")
    return tuple(values)


def _check_range(kind: str, name: str | None, lo: float, hi: float, scale: str, scales: Sequence[str]) -> None:
    where = f"{kind} {name or ''!r}"
    if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in (lo, hi)) or lo > hi:
        raise SpaceError(f"{where}: got [{lo!r}, {hi!r}]; allowed: finite numbers with lo <= hi")
    if scale not in scales:
        raise SpaceError(f"{where}, scale: got {scale!r}; allowed: {', '.join(scales)}")
    if scale != "linear" and lo <= 0:
        raise SpaceError(f"{where}: got lo={lo!r} on a logarithmic scale; allowed: lo above 0")

"""A program named on the command line: `file.py:Name`, or the name of a space.

A user's file is imported under a name of ours, so that it neither shadows an installed module nor is shadowed by one, and it is
pickled by value, so that worker processes get the very code that was read and never import the user's script. Nothing here
knows of algorithms or tasks.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from oche.errors import ArgumentError, OcheError, SpaceError, unknown
from oche.loop.registry import parse

_PREFIX = "oche_program_"


@dataclass(frozen=True)
class Source:
    """Where a program comes from.

    Args:
        text: What names it, `file.py:Name` or the name of a space.
        sha256: Hash of the file's content; None for a space of the library.
    """

    text: str
    sha256: str | None = None


def load_space(text: str, collect: str = "alternatives") -> tuple[Any, Source]:
    """The space that `text` names: `file.py:Name`, `file.py:Name?channels=8`, or the name of a registered space.

    Raises:
        ArgumentError: the file is missing or cannot be imported.
        UnknownNameError: the file has no such name, or there is no such space.
        SpaceError: the program has no choices.
    """
    if ".py" not in text:
        import oche

        return oche.spaces.get(text), Source(text)
    from oche.program import Space

    target, settings = parse(text)
    program, source = load_program(target)
    space = program if isinstance(program, Space) and not settings else Space(program, collect, **settings)
    if not space.points:
        raise SpaceError(f"program {source.text}: got no choices in it; allowed: at least one, for example oche.oneof([...]); add one")
    if not isinstance(program, Space):
        space.name = source.text
    return space, source


def sized(text: str, **sizes: int | None) -> str:
    """`text` with some arguments of the program: `darts` and `cells=5` give `darts?cells=5`.

    Args:
        text: A program, perhaps with settings.
        **sizes: Arguments; None leaves one out.

    Raises:
        ArgumentError: one stands in the settings already, with another value.
    """
    settings = parse(text)[1]
    for name, value in sizes.items():
        if value is None or settings.get(name) == value:
            continue
        if name in settings:
            raise ArgumentError(f"--{name}: got {value} and {name}={settings[name]!r} in {text!r}; allowed: one of them")
        text += f"{'&' if '?' in text else '?'}{name}={value}"
    return text


def load_program(text: str) -> tuple[Any, Source]:
    """What `file.py:Name` names, imported from the file, and where it came from."""
    path_text, mark, name = text.rpartition(":")
    if not mark or not path_text.endswith(".py"):
        path_text, name = text, ""
    path = Path(path_text).expanduser()
    if not path.is_file():
        raise ArgumentError(
            f"program: got {text!r}, and there is no file {str(path)!r}; allowed: file.py:Name or a space; run 'oche init' to write one"
        )
    module = import_file(path)
    offered = _offered(module)
    if not name:
        raise ArgumentError(
            f"program: got {text!r} without a name; allowed: {', '.join(f'{path.name}:{n}' for n in offered) or 'file.py:Name'}"
        )
    if not hasattr(module, name):
        raise unknown(f"program in {path.name}", name, offered, "write file.py:Name")
    return getattr(module, name), Source(f"{path.name}:{name}", hashlib.sha256(path.read_bytes()).hexdigest())


def import_file(path: Path) -> ModuleType:
    """The module in `path`, imported once per content, under a name that depends on path and content.

    Raises:
        ArgumentError: the file raises while it is imported; the message names the line.
    """
    path = path.resolve()
    content = path.read_bytes()
    name = f"{_PREFIX}{path.stem}_{hashlib.sha256(str(path).encode() + content).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"program: got {str(path)!r}; allowed: a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _neighbors(path.parent):
            spec.loader.exec_module(module)
    except OcheError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise ArgumentError(
            f"program {path.name}: got {_where(error, path)}; allowed: a file that can be imported; mend that line"
        ) from error
    _pickle_by_value(module)
    return module


@contextmanager
def _neighbors(folder: Path) -> Iterator[None]:
    """Let a file import those beside it, as a script can, and send these to workers by value as well."""
    known = set(sys.modules)
    # At the end, so that a neighbor never hides an installed module; and for good, for imports inside functions.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    yield
    for name in set(sys.modules) - known:
        found = sys.modules[name]
        file = getattr(found, "__file__", None)
        if file and Path(file).resolve().parent == folder and not name.startswith(_PREFIX):
            _pickle_by_value(found)


def _pickle_by_value(module: ModuleType) -> None:
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)


def _offered(module: ModuleType) -> list[str]:
    """Public classes and functions that the file itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    ]


def _where(error: Exception, path: Path) -> str:
    """`NameError: name 'x' is not defined (line 3)`."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{said} (line {lines[-1]})" if lines else said

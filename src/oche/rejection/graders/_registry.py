"""Names to graders: `strict`, `dart?timeout=10`, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oche.loop.registry import Registry

if TYPE_CHECKING:
    from oche.rejection.graders._grade import Grader

registry = Registry("grader", "oche.graders")
registry.register("strict", "oche.rejection.graders._strict:Strict", "exact mathematics with stated policies (the default)")
registry.register("dart", "oche.rejection.graders._dart:Dart", "verdicts of the DART-Math evaluator, oddities included")
registry.register("math-verify", "oche.rejection.graders._math_verify:MathVerify", "the math-verify package, behind our deadline")
registry.register("olympiadbench", "oche.rejection.graders._benchmarks:OlympiadBench", "several answers, tolerance per query")
registry.register("theoremqa", "oche.rejection.graders._benchmarks:TheoremQA", "bool, option, integer, float and lists of them")
registry.register("numeric", "oche.rejection.graders._benchmarks:Numeric", "the last number, within a tolerance")
registry.register("choice", "oche.rejection.graders._benchmarks:Choice", "one letter of a multiple choice")
registry.register("exact", "oche.rejection.graders._benchmarks:Exact", "the same text, white space and case aside")
registry.register("marked", "oche.rejection.graders._marked:Marked", "what follows the last ####, to the letter")


def names() -> list[str]:
    """Names of all registered graders."""
    return registry.names()


def get(grader: str | Grader, **settings: Any) -> Grader:
    """The grader of a name, or `grader` itself.

    Args:
        grader: `name` or `name?key=value`, for example `strict?timeout=2`.
        **settings: More settings; they overrule those of the text.

    Raises:
        UnknownNameError: no such grader; the nearest name is suggested.
        ArgumentError: a setting is not allowed.
    """
    return registry.get(grader, **settings) if isinstance(grader, str) else grader

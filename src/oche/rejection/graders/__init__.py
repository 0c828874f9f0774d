"""Graders: was the response right? One file per profile or benchmark; `get("strict")` makes one by name."""

from oche._lazy import attach
from oche.rejection.graders._registry import registry

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Choice": "oche.rejection.graders._benchmarks:Choice",
        "Dart": "oche.rejection.graders._dart:Dart",
        "Exact": "oche.rejection.graders._benchmarks:Exact",
        "Grade": "oche.rejection.graders._grade:Grade",
        "GradeOutcome": "oche.rejection.graders._grade:GradeOutcome",
        "Grader": "oche.rejection.graders._grade:Grader",
        "MathVerify": "oche.rejection.graders._math_verify:MathVerify",
        "Numeric": "oche.rejection.graders._benchmarks:Numeric",
        "OlympiadBench": "oche.rejection.graders._benchmarks:OlympiadBench",
        "Strict": "oche.rejection.graders._strict:Strict",
        "TheoremQA": "oche.rejection.graders._benchmarks:TheoremQA",
        "counts": "oche.rejection.graders._grade:counts",
        "equivalent": "oche.rejection.graders._strict:equivalent",
        "extract_answer": "oche.rejection.graders._extract:extract_answer",
        "get": "oche.rejection.graders._registry:get",
        "names": "oche.rejection.graders._registry:names",
        "normalize": "oche.rejection.graders._normalize:normalize",
    },
)
__all__ += ["registry"]

"""Synthesis of training data by rejection: queries, graders, allocations, samplers, tuning and evaluation."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Grade": "oche.rejection.graders._grade:Grade",
        "GradeOutcome": "oche.rejection.graders._grade:GradeOutcome",
        "Grader": "oche.rejection.graders._grade:Grader",
        "equivalent": "oche.rejection.graders._strict:equivalent",
        "extract_answer": "oche.rejection.graders._extract:extract_answer",
        "graders": "oche.rejection.graders",
    },
)

"""Synthesis of training data: queries, samplers, allocations of samples over queries, graders, and the data set that is kept."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Allocation": "oche.rejection._allocation:Allocation",
        "Bernoulli": "oche.rejection._bernoulli:Bernoulli",
        "BudgetOptimal": "oche.rejection._budget_optimal:BudgetOptimal",
        "Completion": "oche.rejection._sampler:Completion",
        "Prop2Diff": "oche.rejection._prop2diff:Prop2Diff",
        "Query": "oche.rejection._queries:Query",
        "Replay": "oche.rejection._replay:Replay",
        "Request": "oche.rejection._sampler:Request",
        "Sampler": "oche.rejection._sampler:Sampler",
        "Samples": "oche.rejection._task:Samples",
        "Synthesis": "oche.rejection._synthesize:Synthesis",
        "Uniform": "oche.rejection._fixed:Uniform",
        "Vanilla": "oche.rejection._fixed:Vanilla",
        "allocation": "oche.rejection._registries:allocation",
        "allocations": "oche.rejection._registries:allocations",
        "expected_draws": "oche.rejection._estimators:expected_draws",
        "give_up_count": "oche.rejection._estimators:give_up_count",
        "pass_at_k": "oche.rejection._estimators:pass_at_k",
        "Plan": "oche.rejection._plan:Plan",
        "pass_rate": "oche.rejection._estimators:pass_rate",
        "plan": "oche.rejection._plan:plan",
        "queries": "oche.rejection._queries:queries",
        "sampler": "oche.rejection._registries:sampler",
        "samplers": "oche.rejection._registries:samplers",
        "synthesize": "oche.rejection._synthesize:synthesize",
        "targets": "oche.rejection._prop2diff:targets",
        "equivalent": "oche.rejection.graders._strict:equivalent",
        "extract_answer": "oche.rejection.graders._extract:extract_answer",
        "graders": "oche.rejection.graders",
    },
)

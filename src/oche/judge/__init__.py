"""The judge: says in words whether a search beats random from the same space, at the same cost. It reads records only."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Entry": "oche.judge._entries:Entry",
        "Report": "oche.judge._report:Report",
        "Resolution": "oche.judge._resolution:Resolution",
        "Row": "oche.judge._row:Row",
        "compare": "oche.judge._compare:compare",
        "draw_program": "oche.judge._cell_graph:draw_program",
        "expected_best": "oche.judge._expected_best:expected_best",
        "holm": "oche.judge._holm:holm",
        "minimum_detectable": "oche.judge._power:minimum_detectable",
        "population_curves": "oche.judge._population:population_curves",
        "random_equivalent": "oche.judge._expected_best:random_equivalent",
        "read": "oche.judge._reading:read",
        "report": "oche.judge._judging:report",
        "runs_needed": "oche.judge._power:runs_needed",
        "smallest_p": "oche.judge._permutation:smallest_p",
    },
)

"""Studies: what the training protocol, the seed, the depth, the budget and the space itself are worth, apart from any search.

A study trains random members through `oche.baseline` and hands their results to the judge; it holds no loop and no statistics of its own.
"""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Study": "oche.studies._study:Study",
        "BenchNetwork": "oche.studies._bench_network:BenchNetwork",
        "darts_bench": "oche.studies._darts_bench:darts_bench",
        "draw": "oche.studies._members:draw",
        "ladder": "oche.studies._ladder:ladder",
        "rank_study": "oche.studies._ranks:rank_study",
        "shared_ranks": "oche.studies._shared_ranks:shared_ranks",
        "space_grid": "oche.studies._grids:space_grid",
        "space_study": "oche.studies._spaces:space_study",
    },
)

"""How the points of a space are divided between searches: one flow per file. Knows nothing of networks."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Factorized": "oche.flows._factorized:Factorized",
        "FewShot": "oche.flows._few_shot:FewShot",
        "Hybrid": "oche.flows._hybrid:Hybrid",
        "Joint": "oche.flows._joint:Joint",
        "Separate": "oche.flows._separate:Separate",
        "get": "oche.flows._registry:get",
        "names": "oche.flows._registry:names",
        "partition": "oche.flows._partition:partition",
        "registry": "oche.flows._registry:registry",
        "shared_scores": "oche.flows._shared_scores:shared_scores",
        "text": "oche.flows._registry:text",
    },
)

"""Diversity: archives, novelty, learned descriptors, emitters, environments, and the STAX family made of them."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Environment": "oche.diversity._environment:Environment",
        "Grid": "oche.diversity._rollout:Grid",
        "CMAME": "oche.diversity._cma_me:CMAME",
        "MapElites": "oche.diversity._map_elites:MapElites",
        "Stax": "oche.diversity._stax:Stax",
        "Controller": "oche.diversity._controller:Controller",
        "ControllerTask": "oche.diversity._controller:ControllerTask",
        "GymTask": "oche.diversity._gymnasium:GymTask",
        "PolicyShape": "oche.diversity._policy:PolicyShape",
        "PolicyTask": "oche.diversity._environment:PolicyTask",
        "Rollout": "oche.diversity._rollout:Rollout",
        "Zone": "oche.diversity._rollout:Zone",
        "coverage": "oche.diversity._measures:coverage",
        "environment": "oche.diversity._environment:environment",
        "environments": "oche.diversity._environments:environments",
        "gymnasium_environment": "oche.diversity._gymnasium:gymnasium_environment",
        "portrait": "oche.diversity._portrait:portrait",
        "portrait_studies": "oche.diversity._portrait:studies",
        "registry": "oche.diversity._environments:registry",
        "RibsScheduler": "oche.diversity._ribs:RibsScheduler",
        "has_ffmpeg": "oche.diversity._raster:has_ffmpeg",
        "write_mp4": "oche.diversity._raster:write_mp4",
        "grid_archive": "oche.diversity._ribs:grid_archive",
        "novelty": "oche.diversity._novelty:novelty",
        "register_gymnasium": "oche.diversity._gymnasium:register_gymnasium",
        "summarize": "oche.diversity._measures:summarize",
        "uniformity": "oche.diversity._measures:uniformity",
    },
)

"""Data sets, augmentation, recipes, one training loop, and saved networks. Knows nothing of search."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "CosinePowerAnnealing": "oche.training._cosine_power:CosinePowerAnnealing",
        "Epoch": "oche.training._loop:Epoch",
        "Fit": "oche.training._loop:Fit",
        "Recipe": "oche.training._recipe:Recipe",
        "Saved": "oche.training._saved:Saved",
        "Work": "oche.training._work:Work",
        "augment": "oche.training._augment:augment",
        "cutout": "oche.training._cutout:cutout",
        "auto_augment": "oche.training._auto_augment:auto_augment",
        "batches": "oche.training._batches:batches",
        "cosine_power": "oche.training._cosine_power:cosine_power",
        "count_work": "oche.training._work:count_work",
        "cosine": "oche.training._schedule:cosine",
        "data": "oche.training.data",
        "device": "oche.training._device:device",
        "linear": "oche.training._schedule:linear",
        "export": "oche.training._saved:export",
        "fit": "oche.training._loop:fit",
        "load": "oche.training._saved:load",
        "n_batches": "oche.training._batches:n_batches",
        "predict": "oche.training._saved:predict",
        "problem": "oche.training._problem:problem",
        "recipe": "oche.training._recipe:recipe",
        "recipes": "oche.training._recipe:recipes",
        "save": "oche.training._saved:save",
        "score": "oche.training._loop:score",
    },
)

"""Data sets: named ones, and a user's own arrays, torch data sets and CSV files, all with three fixed splits."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "DataSet": "oche.training.data._dataset:DataSet",
        "ImageFiles": "oche.training.data._images:ImageFiles",
        "from_arrays": "oche.training.data._own:from_arrays",
        "from_csv": "oche.training.data._own:from_csv",
        "from_dataset": "oche.training.data._own:from_dataset",
        "from_npz": "oche.training.data._own:from_npz",
        "load": "oche.training.data._load:load",
        "names": "oche.training.data._load:names",
        "registry": "oche.training.data._load:registry",
    },
)

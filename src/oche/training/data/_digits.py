"""`digits`: 1,797 handwritten digits of 8x8 gray pixels, which come with scikit-learn."""

from __future__ import annotations

import numpy as np

from oche.training.data._dataset import DataSet, fixed_splits, moments


def digits() -> DataSet:
    """600 to train, 600 to validate, 597 to test; pixels 0 to 16.

    A third each, so that one test item is worth 0.17 points: on a small data set the test split limits what can be told apart.

    Source: UCI optical recognition of handwritten digits, test part, as in scikit-learn; the split is ours.
    """
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    x = np.asarray(pixels, dtype=np.float32).reshape(-1, 1, 8, 8)
    y = np.asarray(classes, dtype=np.int64)
    splits = fixed_splits(y, {"train": 600, "valid": 600, "test": 597})
    mean, std = moments(x, splits["train"])
    return DataSet("digits", x, y, splits, tuple(str(d) for d in range(10)), mean, std, origin="digits")

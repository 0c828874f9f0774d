"""Writes `digits400.npz`: the 8x8 digits of scikit-learn as 200 + 200 images to train on and 1,397 to test on."""

from __future__ import annotations

import sys

import numpy as np
from sklearn.datasets import load_digits

x, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(y))
np.savez(sys.argv[1], x=x.reshape(-1, 1, 8, 8).astype(np.float32), y=y, train=order[:200], valid=order[200:400], test=order[400:])

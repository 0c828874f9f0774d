"""Search a pipeline of scikit-learn on the breast cancer data, by cross-validation.

Run: python pipeline_after.py
"""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

import oche

X, Y = load_breast_cancer(return_X_y=True)
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X, Y, test_size=200, random_state=0, stratify=Y)


def logistic():
    return LogisticRegression(C=oche.floatv(0.01, 100, scale="log", name="C"), max_iter=2000)


def machine():
    return SVC(C=oche.floatv(0.1, 100, scale="log", name="margin"), gamma=oche.floatv(1e-4, 1, scale="log", name="gamma"))


def make_pipeline():
    """Scale, reduce, classify."""
    return Pipeline(
        [
            ("scale", oche.oneof([StandardScaler, MinMaxScaler], name="scale")),
            ("reduce", PCA(n_components=oche.intv(2, 20, name="components"))),
            ("classify", oche.oneof([logistic, machine], name="classify")),
        ]
    )


def score(pipeline):
    """Mean accuracy over five folds of the training part."""
    return cross_val_score(pipeline, X_TRAIN, Y_TRAIN, cv=5).mean()


def main():
    best = oche.search(make_pipeline, "regularized-evolution", score, budget=oche.Budget(trials=30)).best
    pipeline = best.build()
    print(f"found {best.decisions}")
    print(f"cross-validation {score(pipeline):.4f}")
    print(f"test {pipeline.fit(X_TRAIN, Y_TRAIN).score(X_TEST, Y_TEST):.4f}")


if __name__ == "__main__":
    main()

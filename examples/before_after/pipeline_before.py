"""Cross-validate a pipeline of scikit-learn on the breast cancer data.

Run: python pipeline_before.py
"""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

X, Y = load_breast_cancer(return_X_y=True)
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X, Y, test_size=200, random_state=0, stratify=Y)


def make_pipeline():
    """Scale, reduce, classify."""
    return Pipeline(
        [
            ("scale", StandardScaler()),
            ("reduce", PCA(n_components=5)),
            ("classify", LogisticRegression(C=1.0, max_iter=2000)),
        ]
    )


def score(pipeline):
    """Mean accuracy over five folds of the training part."""
    return cross_val_score(pipeline, X_TRAIN, Y_TRAIN, cv=5).mean()


def main():
    pipeline = make_pipeline()
    print(f"cross-validation {score(pipeline):.4f}")
    print(f"test {pipeline.fit(X_TRAIN, Y_TRAIN).score(X_TEST, Y_TEST):.4f}")


if __name__ == "__main__":
    main()

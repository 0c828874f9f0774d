"""Names to things: what is missing is said, and never raised from deep inside."""

import pytest

import oche
from oche.errors import ArgumentError


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: oche.tasks.get("tabular?dataset=cifar10"), r"task 'tabular': got no table, search, report; allowed: 'tabular\?table="),
        (lambda: oche.flows.get("separate"), r"flow 'separate': got no first; allowed: 'separate\?first=\.\.\.'"),
        (lambda: oche.flows.get("factorized?outer_trials=3"), "got no outer"),
    ],
)
def test_a_setting_without_a_default_must_be_given(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()

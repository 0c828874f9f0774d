"""Cosine power annealing: the formula, the published array, and the manners of a scheduler of torch."""

from __future__ import annotations

import gc
import io
import math
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, CosineAnnealingLR, ExponentialLR, LambdaLR, SequentialLR

from oche.errors import ArgumentError
from oche.training import CosinePowerAnnealing, cosine_power, recipe


def optimizer(*rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in rates or (1.0,)])


def rates(scheduler: torch.optim.lr_scheduler.LRScheduler, steps: int, group: int = 0) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(float(scheduler.optimizer.param_groups[group]["lr"]))
        scheduler.optimizer.step()
        scheduler.step()
    return found


PROPORTIONS = {
    1: [1, 0.975528, 0.904508, 0.793893, 0.654508, 0.5, 0.345492, 0.206107, 0.095492, 0.024472, 0],
    2: [1, 0.966361, 0.871907, 0.733746, 0.574080, 0.414214, 0.270584, 0.153571, 0.068429, 0.017107, 0],
    10: [1, 0.939122, 0.780686, 0.580163, 0.390383, 0.240253, 0.135067, 0.067482, 0.027325, 0.006441, 0],
}


@pytest.mark.parametrize("power", PROPORTIONS)
def test_proportions_of_ten_steps(power):
    assert [cosine_power(t / 10, power) for t in range(11)] == pytest.approx(PROPORTIONS[power], abs=1e-6)
    assert rates(CosinePowerAnnealing(optimizer(), 10, power), 10) == pytest.approx(PROPORTIONS[power][:10], abs=1e-6)
    assert rates(CosinePowerAnnealing(optimizer(), 11, power, include_end=True), 11) == pytest.approx(PROPORTIONS[power], abs=1e-6)


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (1, [0.1, 0.0726370730, 0.0388146351, 0.0114517081, 0.001]),
        (2, [0.1, 0.0661834456, 0.0317232358, 0.0087697594, 0.001]),
        (10, [0.1, 0.0505051040, 0.0181280269, 0.0044651101, 0.001]),
    ],
)
def test_the_array_of_the_reference(power, expected):
    scheduler = CosinePowerAnnealing(optimizer(0.1), 5, power, eta_min=0.001, anchor="reference")
    assert rates(scheduler, 5) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("power", "tail"),
    [
        (1, [0.8117449009, 0.6112604670, 0.3887395330, 0.1882550991, 0.0495155660, 0]),
        (2, [0.7553331877, 0.5275932677, 0.3092490274, 0.1393848268, 0.0349173568, 0]),
        (10, [0.6091706064, 0.3428492759, 0.1608438737, 0.0602895883, 0.0134186218, 0]),
    ],
)
def test_the_array_of_the_reference_with_a_warmup(power, tail):
    scheduler = CosinePowerAnnealing(optimizer(), 10, power, warmup=3, anchor="reference")
    assert rates(scheduler, 10) == pytest.approx([0.25, 0.5, 0.75, 1, *tail], abs=1e-9)


def test_the_published_search_schedule():
    scheduler = CosinePowerAnnealing(optimizer(0.025), 120, 2, eta_min=1e-4, warmup=5, anchor="reference")
    found = rates(scheduler, 120)
    published = {1: 0.00425, 6: 0.025, 47: 0.0158031498, 60: 0.0112566896, 117: 1.28981504e-4, 120: 1e-4}
    assert {epoch: found[epoch - 1] for epoch in published} == pytest.approx(published, abs=1e-10)
    assert (f"{found[46]:.6e}", f"{found[116]:.6e}") == ("1.580315e-02", "1.289815e-04"), "as in the authors' logs"


@given(power=st.floats(0.05, 200), share=st.floats(0, 1), more=st.floats(0, 1))
def test_it_falls_from_one_to_zero(power, share, more):
    later = min(1.0, share + more)
    assert 0 <= cosine_power(later, power) <= cosine_power(share, power) + 1e-12 <= 1 + 1e-9
    assert cosine_power(0.5, power) == pytest.approx(1 / (math.sqrt(power) + 1), rel=1e-9)


def test_near_one_it_is_the_cosine():
    for t in range(11):
        assert abs(cosine_power(t / 10, 1 + 1e-9) - cosine_power(t / 10, 1)) < 1e-8
    ours = rates(CosinePowerAnnealing(optimizer(0.3), 50, 1, eta_min=0.01), 50)
    assert ours == pytest.approx(rates(CosineAnnealingLR(optimizer(0.3), 50, 0.01), 50), abs=1e-9)


def test_groups_keep_their_rates():
    scheduler = CosinePowerAnnealing(optimizer(1.0, 0.1), 10, 2, eta_min=0.01)
    scheduler.optimizer.step()
    scheduler.step()
    first, second = (group["lr"] for group in scheduler.optimizer.param_groups)
    assert first == pytest.approx(0.01 + 0.99 * 0.966361, abs=1e-6)
    assert second == pytest.approx(0.01 + 0.09 * 0.966361, abs=1e-6)
    assert scheduler.get_last_lr() == [first, second]


@pytest.mark.parametrize("options", [{}, {"warmup": 3}, {"anchor": "reference"}, {"cycles": 3, "cycle_mult": 1.5, "cycle_decay": 0.5}])
def test_saved_and_resumed_it_goes_on_alike(options):
    def fresh():
        return CosinePowerAnnealing(optimizer(0.5, 0.2), 20, 10, eta_min=1e-3, **options)

    unbroken = rates(fresh(), 25)
    scheduler = fresh()
    before = rates(scheduler, 8)
    saved = io.BytesIO()
    torch.save({"o": scheduler.optimizer.state_dict(), "s": scheduler.state_dict()}, saved)
    saved.seek(0)
    state = torch.load(saved, weights_only=True)
    again = fresh()
    again.optimizer.load_state_dict(state["o"])
    again.load_state_dict(state["s"])
    assert before + rates(again, 17) == unbroken
    continued = optimizer(0.5, 0.2)
    continued.load_state_dict(state["o"])
    assert rates(CosinePowerAnnealing(continued, 20, 10, eta_min=1e-3, last_epoch=7, **options), 17) == pytest.approx(unbroken[8:])


def test_the_last_rate_stays():
    found = rates(CosinePowerAnnealing(optimizer(), 5, 2, eta_min=0.1), 9)
    assert found[5:] == [0.1] * 4
    assert found[4] > 0.1


def test_cycles_start_anew_at_a_decayed_rate():
    scheduler = CosinePowerAnnealing(optimizer(), 14, 2, cycles=3, cycle_mult=2, cycle_decay=0.5)
    found = rates(scheduler, 14)
    assert [found[i] for i in (0, 2, 6)] == [1, 0.5, 0.25]
    assert found[2:6] == pytest.approx([0.5 * cosine_power(t / 4, 2) for t in range(4)])
    assert found[6:] == pytest.approx([0.25 * cosine_power(t / 8, 2) for t in range(8)])


def test_chained_with_another_scheduler():
    """The product of both factors, as two of torch's own give it."""
    torch_pair = optimizer()
    theirs = ChainedScheduler([ExponentialLR(torch_pair, 0.9), CosineAnnealingLR(torch_pair, 20)], torch_pair)
    pair = optimizer()
    ours = ChainedScheduler([ExponentialLR(pair, 0.9), CosinePowerAnnealing(pair, 20, 1)], pair)
    reversed_pair = optimizer()
    backward = ChainedScheduler([CosinePowerAnnealing(reversed_pair, 20, 1), ExponentialLR(reversed_pair, 0.9)], reversed_pair)
    for _ in range(15):
        for o, s in ((torch_pair, theirs), (pair, ours), (reversed_pair, backward)):
            o.step()
            s.step()
        expected = torch_pair.param_groups[0]["lr"]
        assert pair.param_groups[0]["lr"] == pytest.approx(expected)
        assert reversed_pair.param_groups[0]["lr"] == pytest.approx(expected)


def test_a_group_that_is_added_later_falls_as_with_torch():
    found = []
    for make in (lambda o: CosineAnnealingLR(o, 10, 0.01), lambda o: CosinePowerAnnealing(o, 10, 1, eta_min=0.01)):
        scheduler = make(optimizer(0.5))
        rates(scheduler, 3)
        scheduler.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.1})
        found.append(rates(scheduler, 6, group=1))
    assert found[1] == pytest.approx(found[0]) and found[0][0] == 0.1 > found[0][-1]


def test_it_goes_with_its_optimizer_and_to_any_step():
    made = optimizer()
    scheduler, gone = CosinePowerAnnealing(made, 10, 2), weakref.ref(made)
    gc.collect()
    gc.disable()
    try:
        del made, scheduler
        assert gone() is None, "no cycle of references, as torch tests of its own"
    finally:
        gc.enable()
    scheduler = CosinePowerAnnealing(optimizer(), 10, 2)
    scheduler.optimizer.step()
    with pytest.warns(UserWarning, match="EPOCH_DEPRECATION|epoch parameter"):
        scheduler.step(4)
    assert scheduler.get_last_lr() == pytest.approx([PROPORTIONS[2][4]], abs=1e-6)


def test_in_a_sequence():
    both = optimizer()
    scheduler = SequentialLR(both, [ConstantLR(both, 0.1, 4), CosinePowerAnnealing(both, 10, 2)], milestones=[4])
    assert rates(scheduler, 14) == pytest.approx([0.1] * 4 + [cosine_power(t / 10, 2) for t in range(10)])


def test_it_equals_a_lambda_of_torch():
    theirs = LambdaLR(optimizer(0.3), lambda t: cosine_power(min(t, 30) / 30, 10))
    assert rates(CosinePowerAnnealing(optimizer(0.3), 30, 10), 35) == pytest.approx(rates(theirs, 35), abs=1e-15)


def test_a_rate_that_is_a_tensor():
    parameter = torch.nn.Parameter(torch.zeros(1))
    scheduler = CosinePowerAnnealing(torch.optim.Adam([parameter], lr=torch.tensor(1.0)), 10, 2)
    assert rates(scheduler, 3) == pytest.approx(PROPORTIONS[2][:3], abs=1e-6)


def test_numbers_of_numpy_and_one_epoch():
    assert rates(CosinePowerAnnealing(optimizer(), np.int64(10), np.float64(2)), 10) == pytest.approx(PROPORTIONS[2][:10], abs=1e-6)
    assert rates(CosinePowerAnnealing(optimizer(), 1, 2), 1) == [1.0]
    assert rates(CosinePowerAnnealing(optimizer(), 1, 2, anchor="reference"), 1) == [1.0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"power": 0}, "power: got 0; allowed: a number above 0"),
        ({"power": math.nan}, "power: got nan"),
        ({"epochs": 0}, "epochs: got 0; allowed: a whole number from 1"),
        ({"epochs": 2.5}, "epochs: got 2.5"),
        ({"warmup": 10}, "warmup: got 10; allowed: 0 to 9"),
        ({"eta_min": 2}, "eta_min: got 2; allowed: at most the rate of every parameter group, here 1"),
        ({"cycles": -1}, "cycles: got -1"),
        ({"cycles": 11}, "cycles: got 11; allowed: at most one for each of 10 steps"),
        ({"cycle_mult": -2}, "cycle_mult: got -2"),
        ({"anchor": "paper"}, "anchor: got 'paper'; allowed: 'formula', 'reference'"),
        ({"anchor": "reference", "cycles": 2}, "cycles: got 2; allowed: 1 with the anchor 'reference'"),
    ],
)
def test_what_is_refused(settings, said):
    with pytest.raises(ArgumentError, match=said):
        CosinePowerAnnealing(optimizer(), **{"epochs": 10, **settings})


def test_a_recipe_takes_the_power():
    assert recipe("digits?power=2").power == 2
    assert "power" not in recipe("digits").to_json(), "records made before the setting existed stay comparable"
    assert recipe("digits?power=2").to_json()["power"] == 2
    with pytest.raises(ArgumentError, match="power: got 0; allowed: a number above 0"):
        recipe("digits?power=0")

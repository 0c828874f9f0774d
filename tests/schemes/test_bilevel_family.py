"""The bilevel schemes on problems with closed-form answers: every limit, the first steps, stability, bias, passes, resume."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oche.errors import ArgumentError, TrainingError
from oche.schemes import RARTS, BilevelProblem, FirstOrder, MixedLevel, Scheme, SecondOrder, Sgd, SingleLevel, ValuePenalty


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def toy(c: float = 0.0, a: float = 2.0, w: float = -2.0) -> BilevelProblem:
    """V = a w - 2 a + 1 and T = (w - a)^2 + c a^2, by default from (a, w) = (2, -2). For c = 0 the solution is (1, 1)."""
    return BilevelProblem(
        train_loss=lambda w, a: (w - a) ** 2 + c * a**2,
        valid_loss=lambda w, a: a * w - 2 * a + 1,
        weights=number(w),
        arch=number(a),
    )


def reached(scheme: Scheme, steps: int, lr: float, c: float = 0.0, **more: object) -> tuple[float, float]:
    start = {"valid_weights": number(0.0)} if scheme.copies == 2 else {}
    state = scheme.solve(toy(c), steps, lr, **start, **more)  # type: ignore[arg-type]
    return state.arch.item(), state.weights.item()


LIMITS = [
    (FirstOrder(), 300, 0.3, (2, 2)),
    (FirstOrder("weights"), 300, 0.3, (2, 2)),
    (SecondOrder(xi=0.01), 400, 0.2, (1.960784, 1.960784)),
    (SecondOrder(xi=0.1), 300, 0.2, (1.666667, 1.666667)),
    (SecondOrder(xi=0.25), 250, 0.2, (4 / 3, 4 / 3)),
    (SecondOrder(xi=0.5), 250, 0.2, (1, 1)),
    (SecondOrder(xi=1.0), 250, 0.2, (2 / 3, 2 / 3)),
    (MixedLevel(0.5), 600, 0.2, (2, 2)),
    (MixedLevel(2.0), 600, 0.2, (2, 2)),
    (SingleLevel(0.1), 1000, 0.3, (1.025641, 0.974359)),
    (SingleLevel(0.5), 400, 0.3, (8 / 7, 6 / 7)),
    (SingleLevel(1.0, order="weights"), 400, 0.3, (4 / 3, 2 / 3)),
]


@pytest.mark.parametrize(("scheme", "steps", "lr", "limit"), LIMITS, ids=lambda v: type(v).__name__ if isinstance(v, Scheme) else "")
def test_limit_of_the_solvable_model(scheme, steps, lr, limit):
    assert reached(scheme, steps, lr) == pytest.approx(limit, abs=1e-6)


@pytest.mark.parametrize(
    ("lam", "beta", "alpha_grad", "limit"),
    [
        (10, 10, "fresh", (1.081081, 1.027027, 0.918919)),
        (10, 10, "fused", (1.081081, 1.027027, 0.918919)),
        (100, 100, "fresh", (1.007557, 1.002519, 0.992443)),
        (10, 100, "fresh", (1.030928, 0.979381, 0.969072)),
    ],
)
def test_limit_of_rarts(lam, beta, alpha_grad, limit):
    scheme = RARTS(lam, beta, alpha_grad)
    start = toy() if beta == 10 else toy(a=1.01, w=1.0)  # small steps are needed for strong coupling: start near
    # The arch gradient of the fused variant is one step old, so that its largest stable step is smaller.
    steps, lr = (500 if beta == 10 else 1500), (0.8 if alpha_grad == "fresh" else 0.4) / beta
    state = scheme.solve(start, steps, lr, valid_weights=number(1.0))
    found = state.arch.item(), state.weights.item(), state.valid_weights.item()
    assert found == pytest.approx(limit, abs=1e-6)
    a = 2 / (2 - 1 / (2 * lam) - 1 / beta)
    assert found == pytest.approx((a, a * (1 - 1 / (2 * lam)), 2 - a), abs=1e-6)


def test_limit_of_rarts_where_both_terms_are_weak():
    state = RARTS(1, 1, "fresh").solve(toy(), 300, 0.4, valid_weights=number(0.0))
    assert (state.arch.item(), state.weights.item(), state.valid_weights.item()) == pytest.approx((4, 2, -2), abs=1e-6)


def test_the_error_of_rarts_shrinks_as_lam_and_beta_grow():
    weak = reached(RARTS(10, 10, "fresh"), 500, 0.08)[0] - 1
    strong = RARTS(100, 100, "fresh").solve(toy(a=1.01, w=1.0), 1500, 0.008, valid_weights=number(1.0)).arch.item() - 1
    assert (weak, strong) == pytest.approx((0.081081, 0.007557), abs=1e-6)
    assert strong / weak == pytest.approx(0.0932, abs=1e-4)


@pytest.mark.parametrize(("lam", "alpha_grad"), [(5, "fused"), (10, "fused"), (10, "fresh"), (100, "fused")])
def test_limit_of_value_penalty(lam, alpha_grad):
    state = ValuePenalty(lam, alpha_grad).solve(toy(a=1.2, w=1.0), 2000, 0.3, 0.01, valid_weights=number(1.0))
    assert state.arch.item() == pytest.approx(2 / (2 - 1 / (2 * lam)), abs=1e-6)


TRAJECTORY = {
    0: (2, -2, 0, 177),
    1: (1.4212, -1, -0.12, 60.481150),
    2: (1.073058, -0.427760, -0.164988, 21.546631),
    3: (0.859876, -0.101319, -0.169352, 8.396731),
    10: (0.477093, 0.314260, 0.023425, 0.745062),
    100: (0.699259, 0.637686, 0.543070, 0.063902),
    500: (1.060934, 1.006483, 0.899087, -0.080677),
    5000: (1.081081, 1.027027, 0.918919, -0.081081),
}


def test_trajectory_of_rarts():
    scheme = RARTS(10, 10, "fresh")
    state = scheme.init(toy(), Sgd(0.01, 0.0, 0.0, clip=None), Sgd(0.01, 0.0, 0.0, clip=None), copy=True, valid_weights=number(0.0))
    for step in range(5001):
        if step in TRAJECTORY:
            found = state.arch.item(), state.weights.item(), state.valid_weights.item(), scheme.function(state)
            assert found == pytest.approx(TRAJECTORY[step], abs=1e-6), step
        if step == 0:
            assert scheme.step(state).objective == pytest.approx(177)  # w has moved when the second loss is taken, y and arch have not
        else:
            scheme.step(state)


def test_first_steps_of_the_others():
    scheme = RARTS(10, 10, "fused")
    for steps, expected in ((1, (1.22, -1, -0.12)), (2, (0.7972, -0.468, -0.167))):
        state = scheme.solve(toy(), steps, 0.01, valid_weights=number(0.0))
        assert (state.arch.item(), state.weights.item(), state.valid_weights.item()) == pytest.approx(expected, abs=1e-9)
    assert reached(FirstOrder("weights"), 1, 0.01) == pytest.approx((2.0392, -1.92), abs=1e-9)
    assert reached(FirstOrder("weights"), 100, 0.01) == pytest.approx((3.213469, 2.438762), abs=1e-6)
    assert reached(FirstOrder(), 1, 0.01) == pytest.approx((2.04, -1.9192), abs=1e-9)
    assert reached(FirstOrder(), 100, 0.01) == pytest.approx((3.238233, 2.463527), abs=1e-6)
    assert reached(SecondOrder(xi=0.5), 1, 0.01) == pytest.approx((1.98, -1.9204), abs=1e-9)
    assert reached(SecondOrder(xi=0.5), 100, 0.01) == pytest.approx((1.132620, 0.867380), abs=1e-6)


def test_the_correction_of_second_order_has_the_known_slope():
    scheme = SecondOrder(xi=0.25)
    state = scheme.init(toy(), Sgd(0.1, 0.0, 0.0))
    (gradient,), *_ = scheme.arch_gradient(state)
    ahead = scheme.virtual_weights(state)[0].item()
    assert gradient.item() == pytest.approx(ahead - 2 + 2 * 0.25 * 2.0, abs=1e-9)


def within(scheme: Scheme, lr: float, bound: float = 0.1, steps: int = 400) -> int | None:
    """First step after which both coordinates stay within `bound` of (1, 1)."""
    start = {"valid_weights": number(0.0)} if scheme.copies == 2 else {}
    plain = Sgd(lr, 0.0, 0.0, clip=None)
    state = scheme.init(toy(), plain, plain, copy=True, **start)
    last = None
    for step in range(1, steps + 1):
        scheme.step(state)
        if max(abs(state.arch.item() - 1), abs(state.weights.item() - 1)) >= bound:
            last = step
    return None if last == steps else (last or 0) + 1


@pytest.mark.parametrize(
    ("scheme", "lr", "steps"),
    [
        (SecondOrder(xi=0.5), 0.01, 114),
        (RARTS(10, 10, "fresh"), 0.01, 253),
        (RARTS(10, 10, "fresh"), 0.02, 87),
        (RARTS(10, 10, "fresh"), 0.03, 4),
    ],
    ids=["second order", "rarts 0.01", "rarts 0.02", "rarts 0.03"],
)
def test_steps_until_close_for_good(scheme, lr, steps):
    assert within(scheme, lr) == steps


def test_first_order_never_comes_close():
    plain = Sgd(0.01, 0.0, 0.0, clip=None)
    for order, closest, steps in (("arch", 0.965, 600), ("weights", 0.966, 1000)):
        state = FirstOrder(order).init(toy(), plain, plain, copy=True)
        nearest = math.inf
        for _ in range(steps):
            FirstOrder(order).step(state)
            nearest = min(nearest, max(abs(state.arch.item() - 1), abs(state.weights.item() - 1)))
        assert nearest == pytest.approx(closest, abs=1e-3)
    assert (state.arch.item(), state.weights.item()) == pytest.approx((1.999912, 2.000048), abs=1e-6)


@pytest.mark.parametrize("lr", [0.001, 0.005, 0.01, 0.02, 0.03, 0.05])
def test_the_function_of_rarts_never_rises(lr):
    scheme, plain = RARTS(10, 10, "fresh"), Sgd(lr, 0.0, 0.0, clip=None)
    state = scheme.init(toy(), plain, plain, copy=True, valid_weights=number(0.0))
    last = scheme.function(state)
    for _ in range(150):
        scheme.step(state)
        value = scheme.function(state)
        assert value <= last + 1e-12
        last = value


def test_largest_stable_step():
    assert abs(reached(RARTS(10, 10, "fresh"), 600, 0.095)[0]) < 10
    assert abs(reached(RARTS(10, 10, "fresh"), 400, 0.1)[0]) > 1e3
    hessian = torch.tensor([[10.0, -10, 1], [-10, 30, -20], [1, -20, 20]], dtype=torch.float64)
    assert torch.linalg.det(hessian).item() == pytest.approx(370)
    assert torch.linalg.eigvalsh(hessian).tolist() == pytest.approx([0.660976, 11.766953, 47.572071], abs=1e-6)


@pytest.mark.parametrize(("lam", "beta", "c", "limit"), [(10, 10, 0.1, 0.519481), (10, 10, 1, 0.091533), (100, 100, 0.1, 0.090971)])
def test_rarts_is_biased_when_the_inner_optimum_depends_on_arch(lam, beta, c, limit):
    start = toy(c, a=limit + 0.02, w=limit)
    state = RARTS(lam, beta, "fresh").solve(start, 1500, 0.7 / max(lam, beta) / (1 + c), valid_weights=number(limit))
    assert state.arch.item() == pytest.approx(limit, abs=1e-6)
    assert 2 / (2 - 1 / (2 * lam) - 1 / beta + 2 * lam * c) == pytest.approx(limit, abs=1e-6)


def test_others_on_the_biased_model():
    assert reached(SecondOrder(xi=0.5), 300, 0.2, 1.0) == pytest.approx((1, 1), abs=1e-6)
    assert reached(MixedLevel(1.0), 300, 0.2, 1.0) == pytest.approx((2 / 3, 2 / 3), abs=1e-6)
    state = ValuePenalty(10).solve(toy(1.0, 1.2, 1.0), 2000, 0.3, 0.01, valid_weights=number(1.0))
    assert state.arch.item() == pytest.approx(1.025641, abs=1e-6)


@given(a=st.floats(-3, 3), lam=st.floats(1, 4), beta=st.floats(1, 4))
@settings(max_examples=5, deadline=None)
def test_block_minimum_at_a_fixed_arch(a, lam, beta):
    """The minimum over both weights is w = a (1 - 1/(2 lam)) and y = w - a/beta."""
    problem = BilevelProblem(lambda w, arch: (w - arch) ** 2, lambda w, arch: arch * w - 2 * arch + 1, number(-2.0), number(a))
    scheme = RARTS(lam, beta, "fresh")
    state = scheme.solve(problem, 320, 1.0 / (2 * lam + beta), 0.0, valid_weights=number(0.0))
    assert state.arch.item() == a
    w = a * (1 - 1 / (2 * lam))
    assert abs(state.weights.item() - w) < 1e-12 * (1 + abs(a))
    assert abs(state.valid_weights.item() - (w - a / beta)) < 1e-12 * (1 + abs(a))


def test_both_copies_of_a_vector_end_at_the_one_minimum():
    """For T = (w - m)' A (w - m) / 2 and V = (y - n)' B (y - n) / 2: two linear equations in w and y."""
    lam, beta, eye = 2.0, 3.0, torch.eye(3, dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    a, b = (eye + 0.1 * r @ r.T for r in torch.randn(2, 3, 3, generator=g, dtype=torch.float64))
    m, n = torch.randn(2, 3, generator=g, dtype=torch.float64)
    matrix = torch.cat([torch.cat([lam * a + beta * eye, -beta * eye], 1), torch.cat([-beta * eye, b + beta * eye], 1)])
    w, y = torch.linalg.solve(matrix, torch.cat([lam * a @ m, b @ n])).split(3)
    train = lambda x, arch: 0.5 * (x - m) @ a @ (x - m) + 0 * arch
    valid = lambda x, arch: 0.5 * (x - n) @ b @ (x - n) + 0 * arch
    state = RARTS(lam, beta).solve(BilevelProblem(train, valid, torch.zeros_like(m), number(0.0)), 300, 0.12, 0.0)
    assert torch.allclose(state.weights, w, rtol=0, atol=1e-12) and torch.allclose(state.valid_weights, y, rtol=0, atol=1e-12)


def test_the_arch_gradient_tends_to_that_of_one_level_as_the_coupling_grows():
    """At the block minimum it is smaller by a/beta, the distance of the two copies, than that of V + lam T at its own minimum."""
    a, lam = 1.5, 2.0
    w = a * (1 - 1 / (2 * lam))
    plain = Sgd(0.1, 0.0, 0.0, clip=None)
    (one,), *_ = SingleLevel(1 / lam).arch_gradient(SingleLevel(1 / lam).init(toy(a=a, w=w), plain, copy=True))
    for beta in (1, 10, 1e3, 1e6):
        scheme = RARTS(lam, beta)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no step is taken
            state = scheme.init(toy(a=a, w=w), plain, copy=True, valid_weights=number(w - a / beta))
        (both,), *_ = scheme.arch_gradient(state)
        assert both.item() == pytest.approx(lam * one.item() - a / beta, abs=1e-12)
    assert lam * one.item() == pytest.approx(a + w - 2, abs=1e-12)


SCHEMES = {
    "single": (SingleLevel(), 1, 2),
    "darts1": (FirstOrder(), 2, 2),
    "milenas": (MixedLevel(), 3, 3),
    "fused": (RARTS(), 2, 2),
    "fresh": (RARTS(alpha_grad="fresh"), 4, 4),
    "darts2": (SecondOrder(), 5, 5),
    "penalty": (ValuePenalty(), 3, 3),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_passes_of_a_step(name):
    """The number on the record is the number of times that a loss was asked for."""
    scheme, passes, batches = SCHEMES[name]
    calls = []
    base = toy()
    problem = BilevelProblem(
        lambda w, a: (calls.append("T"), base.train_loss(w, a))[1],
        lambda w, a: (calls.append("V"), base.valid_loss(w, a))[1],
        number(-2.0),
        number(2.0),
    )
    state = scheme.init(problem, Sgd(0.01), copy=True)
    record = scheme.step(state)
    assert (record.passes, record.work) == (passes, batches)
    assert len(calls) == batches
    calls.clear()
    warm = scheme.step(state, update_arch=False)
    assert state.arch.item() != 2.0
    assert warm.passes == len(calls)


class Unread:
    """A batch that nobody may touch."""

    def __mul__(self, other: object) -> object:
        raise AssertionError("the other half was read")

    __rmul__ = __mul__


def test_each_copy_reads_its_own_half():
    problem = BilevelProblem(lambda w, a, batch: (w * batch - a) ** 2, lambda w, a, batch: (w * batch + a) ** 2, number(1.0), number(0.5))
    scheme = RARTS(2, 3)
    state = scheme.init(problem, Sgd(0.01), copy=True)
    with pytest.raises(AssertionError, match="the other half"):
        scheme.step(state, 1.0, Unread(), update_arch=False)
    assert state.weights.item() != 1.0, "the first copy has moved without the validation half"
    state = scheme.init(problem, Sgd(0.01), copy=True)
    with pytest.raises(AssertionError, match="the other half"):
        scheme.step(state, Unread(), 1.0, update_arch=False)


def test_copies_do_not_share_storage():
    problem = toy()
    state = RARTS().init(problem)
    assert state.valid_weights.data_ptr() != state.weights.data_ptr()
    given_start = number(3.0)
    RARTS().solve(problem, 3, 0.01, valid_weights=given_start)
    assert given_start.item() == 3.0


def test_jacobi_sees_the_values_before_the_step():
    state = RARTS(10, 10, update="jacobi").solve(toy(), 1, 0.01, valid_weights=number(0.0))
    w = -2 - 0.01 * (10 * 2 * (-2 - 2) + 10 * (-2 - 0))
    y = 0 - 0.01 * (2 + 10 * (0 - -2))
    a = 2 - 0.01 * (10 * -2 * (-2 - 2) + (0 - 2))
    assert (state.weights.item(), state.valid_weights.item(), state.arch.item()) == pytest.approx((w, y, a), abs=1e-12)
    seidel = RARTS(10, 10).solve(toy(), 1, 0.01, valid_weights=number(0.0))
    assert seidel.valid_weights.item() != pytest.approx(y)


def test_the_clip_is_for_the_loss_and_not_for_the_coupling():
    problem = BilevelProblem(lambda w, a: 1000 * w.sum() + a, lambda w, a: 0 * w.sum() + a, number(0.0), number(0.0))
    state = RARTS(1, 1).init(problem, Sgd(1.0, 0.0, 0.0, clip=0.5), copy=True, valid_weights=number(-1.0))
    RARTS(1, 1).step(state)
    assert state.weights.item() == pytest.approx(-0.5 - 1.0, abs=1e-4)


@pytest.mark.parametrize(
    "scheme", [RARTS(2, 3), RARTS(2, 3, "fresh"), ValuePenalty(4), SingleLevel(), MixedLevel()], ids=lambda s: type(s).__name__
)
def test_resume_is_bit_exact(scheme):
    def problem():
        generator = torch.Generator().manual_seed(5)
        return BilevelProblem(
            lambda w, a, b: ((w["x"] * a["p"]).sum() - b).pow(2) + w["y"].pow(2).sum(),
            lambda w, a, b: ((w["x"] + a["p"]).sum() - b).pow(2),
            {"x": torch.randn(3, generator=generator), "y": torch.randn(2, generator=generator)},
            {"p": torch.randn(3, generator=generator)},
        )

    def run(state, steps):
        for step in steps:
            scheme.step(state, 0.1 * step, 0.2 * step)
        return state

    unbroken = run(scheme.init(problem(), Sgd(0.01)), range(20))
    saved = run(scheme.init(problem(), Sgd(0.01)), range(10)).state_dict()
    again = scheme.init(problem(), Sgd(0.01))
    again.load_state_dict(saved)
    run(again, range(10, 20))
    first, second = unbroken.state_dict(), again.state_dict()
    for part in ("weights", "arch", *(("valid_weights",) if scheme.copies == 2 else ())):
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RARTS(lam=0), r"RARTS needs lam > 0 .* and beta >= 0"),
        (lambda: RARTS(beta=-1), r"got 1.0, -1; allowed"),
        (lambda: RARTS(alpha_grad="new"), "alpha_grad: got 'new'; allowed: 'fused', 'fresh'"),
        (lambda: RARTS(update="both"), "update: got 'both'"),
        (lambda: MixedLevel(0), "lam: got 0"),
        (lambda: SingleLevel(-1), "lam: got -1; allowed: a number from 0"),
        (lambda: SingleLevel(order="first"), "order: got 'first'; allowed: 'joint'"),
        (lambda: ValuePenalty(-1), "lam: got -1"),
        (lambda: FirstOrder().solve(toy(), 1, 0.1, valid_weights=number(0.0)), "FirstOrder trains one copy"),
        (lambda: RARTS().solve(toy(), 1, 0.1, valid_weights=torch.zeros(2)), "valid_weights: got"),
    ],
)
def test_what_is_refused(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()


def test_arch_among_the_weights_is_refused():
    both = torch.zeros(2)
    with pytest.raises(ArgumentError, match="architecture parameters: got p, which are also weights"):
        BilevelProblem(lambda w, a: w["x"].sum(), lambda w, a: w["x"].sum(), {"x": both}, {"p": both})


def test_an_unstable_coupling_is_warned_about():
    with pytest.warns(UserWarning, match="product must stay below 2"):
        RARTS(1, 10).init(toy(), Sgd(0.2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RARTS(1, 10).init(toy(), Sgd(0.1))


def burst(at: float, split: str) -> BilevelProblem:
    """A problem with one loss that is infinite where the weight is `at`."""
    good = lambda w, a: (w * a).sum()
    bad = lambda w, a: (w * a).sum() + 1 / (w - at).abs()
    return BilevelProblem(bad if split == "train" else good, bad if split == "valid" else good, number(1.0), number(0.0))


@pytest.mark.parametrize("alpha_grad", ["fused", "fresh"])
@pytest.mark.parametrize(
    ("make", "split", "at", "said"),
    [
        (RARTS, "train", 1.0, "training loss of the first weights"),
        (RARTS, "valid", 2.0, "validation loss of the second weights"),
        (ValuePenalty, "train", 1.0, "training loss of the first weights"),
        (ValuePenalty, "train", 2.0, "training loss of the second weights"),
        (ValuePenalty, "valid", 2.0, "validation loss of the second weights"),
    ],
)
def test_a_loss_that_is_not_finite_names_split_copy_and_step(make, alpha_grad, split, at, said):
    scheme = make(alpha_grad=alpha_grad)
    with pytest.raises(TrainingError, match=f"^{said} at step 1: got inf"):
        scheme.solve(burst(at, split), 1, 0.1, valid_weights=number(2.0))
    state = scheme.init(burst(at, split), Sgd(0.1), copy=True, valid_weights=number(2.0))
    with pytest.raises(TrainingError, match=f"^{said} at step 1: got inf"):
        scheme.arch_gradient(state)


@pytest.mark.parametrize(("split", "said"), [("train", "training loss"), ("valid", "validation loss")])
def test_with_one_copy_a_loss_that_is_not_finite_names_split_and_step(split, said):
    with pytest.raises(TrainingError, match=f"^{said} at step 1: got inf"):
        FirstOrder("weights" if split == "train" else "arch").solve(burst(1.0, split), 1, 0.1)

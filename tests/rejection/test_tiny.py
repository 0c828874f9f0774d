"""The tiny transformer: its exact probabilities against samples, against enumeration, and against itself in other processes."""

from __future__ import annotations

import copy
import itertools
import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oche
from oche import training
from oche.errors import ArgumentError, DataError, TrainingError
from oche.rejection import Request, Tiny, Tuning, sums, synthesize
from oche.rejection import _tiny as tiny
from oche.rejection import _tiny_model as model_of
from oche.rejection._decoder import Decoder
from oche.rejection._evaluate import shares_correct
from oche.rejection._sums import ALPHABET, QUESTION, RESPONSE, question, random_sums, read, spell
from oche.rejection._tune import IGNORED, shuffled, steps
from oche.rejection.graders import get as grader_of
from tests.cli.conftest import run_oche


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A model of one-digit sums that is right about once in three times, as a file."""
    path = tmp_path_factory.mktemp("tiny") / "weights.pt"
    (model,) = model_of.pretrain([0.3], seed=1, shares=(1, 0, 0), digits=1)
    model_of.save(path, model, {})
    return path


@pytest.fixture
def sampler(weights):
    return Tiny(path=weights)


def drawn(sampler, queries, counts, seed=0, first=0):
    return sampler.generate([Request(q, i, first, n, seed) for i, (q, n) in enumerate(zip(queries, counts, strict=True))])


# -- the task -------------------------------------------------------------------------------------------------------------------


def test_the_model_has_the_published_number_of_parameters():
    model = Decoder(len(ALPHABET), QUESTION + RESPONSE)
    assert sum(p.numel() for p in model.parameters()) == 102_605


@given(st.integers(0, 999), st.integers(0, 999))
def test_a_sum_is_spelled_in_thirteen_symbols_and_read_back(a, b):
    symbols = spell(f"{a}+{b}=", str(a + b))
    text = "".join(ALPHABET[s] for s in symbols)
    assert text == f"{a}+{b}=".rjust(8, ".") + str(a + b)[::-1].ljust(5, ".")
    assert read(symbols[8:]) == (str(a + b), True)
    assert question(f"{a}+{b}=") == symbols[:8]


def test_a_response_without_a_full_stop_is_cut():
    assert read([1, 2, 3, 4, 5]) == ("54321", False)
    assert read([12, 1, 2, 3, 4]) == ("", True)


@pytest.mark.parametrize("text", ["1234+1=", "1+1", "x+1=", "1 + 1=", "1+1=2", "١+1="])
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(ArgumentError, match="allowed: sums of two numbers"):
        question(text)


@pytest.mark.parametrize("response", ["12345", "1.2", "a"])
def test_what_is_no_response_is_refused(response):
    with pytest.raises(ArgumentError, match="response of sampler 'tiny'"):
        spell("1+1=", response)


def test_queries_are_different_and_leave_out_what_is_excluded():
    train = sums(700, 2, seed=3)
    test = sums(7400, 2, seed=4, exclude=train)
    assert len({q.id for q in train + test}) == 8100
    assert all(10 <= int(n) <= 99 for q in train for n in q.text[:-1].split("+"))
    assert all(eval_sum(q.text) == q.reference for q in train)
    assert sums(5, 3, seed=1) == sums(5, 3, seed=1) != sums(5, 3, seed=2)
    with pytest.raises(ArgumentError, match="1 to 7400"):
        sums(7401, 2, exclude=train)
    with pytest.raises(ArgumentError, match="digits: got 4"):
        sums(1, 4)


def eval_sum(text):
    return str(sum(int(n) for n in text[:-1].split("+")))


def test_training_questions_have_their_digits_in_the_given_shares():
    whole = random_sums(4000, (0.1, 0.35, 0.55), np.random.default_rng(0))
    texts = ["".join(ALPHABET[s] for s in row[:8]).lstrip(".") for row in whole.tolist()]
    lengths = [tuple(len(n) for n in t[:-1].split("+")) for t in texts]
    assert set(lengths) == {(1, 1), (2, 2), (3, 3)}
    for digits, share in enumerate((0.1, 0.35, 0.55), 1):
        assert abs(np.mean([x[0] == digits for x in lengths]) - share) < 4 * np.sqrt(share * (1 - share) / 4000)


# -- exact probabilities ----------------------------------------------------------------------------------------------------------


def test_probabilities_of_all_responses_sum_to_one(sampler):
    """All that can be answered: complete ones are below 1, and with those that are cut off it is everything."""
    start = question("7+8=")
    prefixes = np.array([[*start, *p] for p in itertools.product(range(12), repeat=RESPONSE - 1)])
    model = copy.deepcopy(sampler.model).float()
    with torch.no_grad():
        logits = torch.cat([model(part)[:, QUESTION - 1 :] for part in torch.from_numpy(prefixes).split(2048)])
    shares = logits.double().softmax(2).numpy()
    complete, alive = 0.0, np.ones(len(prefixes))
    for place in range(RESPONSE):
        # A beginning of `place` symbols stands in 12^(4 - place) rows.
        complete += float((alive * shares[:, place, 12]).sum()) / 12 ** (RESPONSE - 1 - place)
        if place < RESPONSE - 1:
            alive = alive * shares[np.arange(len(prefixes)), place, prefixes[:, QUESTION + place]]
    cut = float((alive * (1 - shares[:, -1, 12])).sum())
    assert complete <= 1
    assert complete + cut == pytest.approx(1, abs=1e-5)
    assert cut > 0


@pytest.mark.parametrize("temperature", [1.0, 1.5])
def test_samples_are_right_as_often_as_is_known(weights, temperature):
    sampler, queries = Tiny(path=weights, temperature=temperature), sums(10, 1, seed=5)
    p = sampler.pass_rates(queries)
    n = 20_000
    found = zip(queries, drawn(sampler, queries, [n] * 10), strict=True)
    hits = [sum(c[:2] == (q.reference, "stop") for c in completions) for q, completions in found]
    errors = (np.array(hits) / n - p) / np.sqrt(p * (1 - p) / n)
    # All together, and each: four standard errors, since there are ten.
    assert abs(errors.sum()) < 3 * np.sqrt(10)
    assert np.abs(errors).max() < 4
    assert p.min() > 0.05 and p.max() < 0.95 and p.max() - p.min() > 0.05


def test_estimated_pass_rates_are_without_bias(sampler):
    """Inverse sampling over-estimates by k/n; (k - 1)/(n - 1) agrees with what is known."""
    queries = sums(100, 1)
    done = synthesize(queries, sampler, "uniform?k=3", cap=4096, dedup="none", seeds=8)
    truth = sampler.pass_rates(queries)
    found = np.array([[line["pass_rate"] for line in done.table(s)] for s in range(8)]) - truth
    naive = np.array([[line["correct"] / line["n"] for line in done.table(s)] for s in range(8)]) - truth
    error = found.std() / np.sqrt(found.size)
    assert abs(found.mean()) < 3 * error
    assert naive.mean() > 5 * error


def test_the_rates_that_training_stops_at_are_exact_ones():
    weak, strong = Tiny(), Tiny()
    weak.model, strong.model = model_of.pretrain([0.02, 0.05], seed=2, shares=(1, 0, 0), digits=1)
    rates = [one.pass_rates(sums(100, 1)).mean() for one in (weak, strong)]
    # Some room: the training looks at every fifth step only.
    assert 0.02 <= rates[0] < 0.05 <= rates[1] < 0.08
    # One training gives what two would.
    (again,) = model_of.pretrain([0.02], seed=2, shares=(1, 0, 0), digits=1)
    assert all(torch.equal(a, b) for a, b in zip(weak.model.state_dict().values(), again.state_dict().values(), strict=True))


def test_exact_rates_need_a_temperature(sampler):
    with pytest.raises(ArgumentError, match="temperature 0"):
        sampler.at(0.0).pass_rates(sums(3, 1))


# -- sampling ---------------------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 9))
def test_a_sample_does_not_depend_on_what_else_is_asked(weights, cuts, number):
    sampler, queries = shared(weights), sums(10, 1)
    whole = drawn(sampler, queries, [sum(cuts)] * 10, seed=4)[number]
    pieces, first = [], 0
    for count in cuts:
        pieces += sampler.generate([Request(queries[number], number, first, count, 4)])[0]
        first += count
    assert pieces == whole


_made = {}


def shared(weights):
    """One sampler for all examples of a property."""
    return _made.setdefault(weights, Tiny(path=weights))


def test_lots_and_other_requests_change_nothing(sampler, monkeypatch):
    queries = sums(30, 1)
    counts = [1 + 7 * i for i in range(30)]
    together = drawn(sampler, queries, counts)
    monkeypatch.setattr(tiny, "_AT_ONCE", 50)
    assert drawn(sampler, queries, counts) == together
    assert [len(c) for c in together] == counts
    assert drawn(sampler, queries[:1], [200], seed=1) != drawn(sampler, queries[:1], [200], seed=2)


def test_stored_keys_and_values_give_what_a_whole_pass_gives(sampler):
    whole = torch.tensor([spell("3+9=", "12"), spell("8+8=", "16")])
    with torch.no_grad():
        logits, past = sampler.model.step(whole[:, :QUESTION])
        found = [logits[:, -1]]
        for place in range(QUESTION, QUESTION + RESPONSE - 1):
            logits, past = sampler.model.step(whole[:, place : place + 1], past)
            found.append(logits[:, -1])
        wanted = sampler.model(whole[:, :-1])[:, QUESTION - 1 :]
    torch.testing.assert_close(torch.stack(found, 1), wanted, rtol=0, atol=1e-10)


def test_counts_of_tokens_include_the_full_stop(sampler):
    (completions,) = drawn(sampler, sums(1, 1), [500])
    assert all(c.tokens == len(c.text) + (c.finish == "stop") and c.prompt_tokens == 4 for c in completions)
    assert {c.finish for c in completions} <= {"stop", "length"}


def test_temperature_zero_takes_the_most_probable_symbol(sampler):
    queries = sums(100, 1)
    greedy = sampler.at(0.0)
    a, b = drawn(greedy, queries, [1] * 100, seed=1), drawn(greedy, queries, [1] * 100, seed=2)
    assert a == b
    whole = torch.tensor([spell(q.text, str(q.reference)) for q in queries])
    with torch.no_grad():
        best = sampler.model(whole[:, :-1])[:, QUESTION - 1 :].argmax(2)
    same = (best == whole[:, QUESTION:]) | (torch.arange(RESPONSE)[None] > torch.tensor([len(q.reference) for q in queries])[:, None])
    assert shares_correct(queries, greedy, grader_of("marked")).tolist() == same.all(1).double().tolist()
    sampled = shares_correct(queries, sampler, grader_of("marked"), samples=200)
    assert sampled.mean() == pytest.approx(sampler.pass_rates(queries).mean(), abs=0.01)


def test_worker_processes_draw_the_same(sampler):
    def rows(**how):
        done = synthesize(sums(40, 1), sampler, "uniform?k=4", cap=64, dedup="none", parallel=8, **how)
        return [(r.query, r.number, r.verdict, r.text) for r in done.samples()]

    assert rows(executor="processes", workers=2) == rows()


# -- weights ----------------------------------------------------------------------------------------------------------------------


def test_saved_weights_give_the_same_samples(sampler, tmp_path):
    sampler.save(tmp_path / "again.pt")
    again = oche.rejection.sampler(f"tiny?path={tmp_path / 'again.pt'}")
    assert again.describe() == sampler.describe()
    assert drawn(again, sums(5, 1), [50] * 5) == drawn(sampler, sums(5, 1), [50] * 5)
    assert sampler.at(0.5).describe() != sampler.describe()


def test_foreign_files_are_refused_and_never_run(tmp_path):
    class Bad:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "bad.pt").write_bytes(pickle.dumps({"schema": Bad()}))
    training.save(tmp_path / "other.pt", torch.nn.Linear(2, 2), {"network": "mlp"})
    for name in ("bad.pt", "other.pt", "missing.pt"):
        with pytest.raises(DataError, match=name):
            Tiny(path=tmp_path / name).prepare()
    assert not (tmp_path / "ran").exists()


def test_a_trained_model_is_kept_in_the_cache(own_cache, weights):
    first = Tiny(rate=1e-9)
    first.prepare()
    (kept,) = own_cache.glob("tiny-*.pt")
    assert Tiny(rate=1e-9).describe() == first.describe()
    kept.write_bytes(weights.read_bytes())
    assert Tiny(rate=1e-9).describe() == Tiny(path=weights).describe()
    # Another seed is another model; a damaged file is made again.
    assert Tiny(rate=1e-9, seed=5).describe() != first.describe()
    assert [one.describe() for one in Tiny.stages([1e-9, 1e-8], seed=5)] == [Tiny(rate=r, seed=5).describe() for r in (1e-9, 1e-8)]
    kept.write_bytes(b"damaged")
    assert Tiny(rate=1e-9).describe() == first.describe()


# -- tuning -----------------------------------------------------------------------------------------------------------------------


def test_the_loss_counts_the_response_and_its_end_only():
    sequences, targets = model_of.examples([("27+5=", "32"), ("1+1=", "2"), ("900+900=", "1800")])
    assert [row[:7] for row in targets.tolist()] == [[IGNORED] * 7] * 3
    assert [row[7:] for row in targets.tolist()] == [[2, 3, 12, IGNORED, IGNORED], [2, 12, *[IGNORED] * 3], [0, 0, 8, 1, 12]]
    assert ["".join(ALPHABET[s] for s in row) for row in sequences.tolist()] == ["...27+5=23..", "....1+1=2...", "900+900=0081"]


def test_tuning_on_kept_responses_raises_the_pass_rate(sampler):
    queries = sums(100, 1)
    before = sampler.describe()
    kept = synthesize(queries, sampler, "uniform?k=2", cap=256, dedup="none").dataset()
    tuned = sampler.tuned(kept, Tuning(steps=25), seed=3)
    assert sampler.describe() == before
    assert tuned.pass_rates(queries).mean() > sampler.pass_rates(queries).mean() + 0.05
    pairs = [(line["query"], text) for line in kept for text in line["responses"]]
    assert sampler.tuned(pairs, Tuning(steps=25), seed=3).describe() == tuned.describe()
    assert sampler.tuned(pairs, Tuning(steps=25), seed=4).describe() != tuned.describe()
    with pytest.raises(ArgumentError, match="got no responses"):
        sampler.tuned([])


@given(st.integers(1, 30), st.integers(1, 20))
def test_every_pass_sees_each_item_once(size, batch_size):
    batches = shuffled(torch.arange(size)[:, None], torch.arange(size), batch_size, seed=1)
    seen = list(itertools.islice(batches, 3 * size))
    assert all(torch.equal(x[:, 0], y) and len(y) == batch_size for x, y in seen)
    flat = torch.cat([y for _, y in seen]).tolist()
    for start in range(0, 2 * size, size):
        assert sorted(flat[start : start + size]) == list(range(size))


def test_rates_of_a_tuning():
    cosine = Tuning(steps=105, lr=1.0, warmup_steps=5)
    assert [cosine.rate(s) for s in (0, 4, 5, 55)] == pytest.approx([1 / 6, 5 / 6, 1.0, 0.5])
    constant = Tuning(steps=10, lr=1.0, schedule="constant", warmup_steps=4)
    assert [constant.rate(s) for s in (0, 3, 4, 9)] == pytest.approx([0.2, 0.8, 1.0, 1.0])
    assert Tuning(**cosine.to_json()) == cosine


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"schedule": "linear"}, "schedule"), ({"steps": 0}, "steps"), ({"steps": 5}, "fewer warm-up"), ({"lr": 0}, "a rate above 0")],
)
def test_wrong_tunings_are_refused(settings, message):
    with pytest.raises(ArgumentError, match=message):
        Tuning(**settings)


def test_a_loss_that_is_not_finite_stops_the_training():
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(float("nan")))

        def forward(self, sequences):
            return self.w * torch.ones(*sequences.shape, 3)

    batches = shuffled(torch.zeros(4, 2, dtype=torch.int64), torch.zeros(4, 2, dtype=torch.int64), 2, seed=0)
    with pytest.raises(TrainingError, match="step 0"):
        list(steps(Broken(), batches, Tuning()))


def test_settings_are_checked():
    for given_settings, message in (({"rate": 0}, "rate"), ({"rate": 1.0}, "rate"), ({"temperature": -1}, "temperature")):
        with pytest.raises(ArgumentError, match=message):
            Tiny(**given_settings)


# -- the command ------------------------------------------------------------------------------------------------------------------


def test_the_command_says_how_few_targets_were_reached(weights, tmp_path):
    """A teacher that is seldom right under a low cap: the set is small, and it is said."""
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps({"query": q.text, "ref_ans": q.reference}) + "\n" for q in sums(40, 1)))
    words = ["synthesize", "--queries", "sums.jsonl", "--allocation", "uniform?k=4", "--dedup", "none", "--out", "kept.jsonl"]
    done = run_oche(*words, "--sampler", f"tiny?path={weights}", "--cap", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "targets reached for only" in done.stdout
    kept = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    assert kept and all(row["response"] == eval_sum(row["query"]) for row in kept)
    wrong = run_oche("synthesize", "--queries", "sums.jsonl", "--sampler", "tiny?path=nothing.pt", cwd=tmp_path)
    assert wrong.returncode == 2 and "nothing.pt" in wrong.stderr

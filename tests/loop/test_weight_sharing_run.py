"""Segments, checkpoints, the proposal and the final training of a weight-sharing search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.testing.tiny import TinySharing, TinyTask, tiny_space

from oche import seeds
from oche.errors import ResumeError, SpaceError
from oche.files import file_digest
from oche.loop.contracts import Budget, Cost, Feedback, Progress
from oche.loop.engine import Engine
from oche.loop.executors.processes import Processes
from oche.loop.executors.serial import Serial
from oche.loop.messages import Advance, Evaluate, Propose, Report
from oche.loop.run import Plan, Run, Trial
from oche.loop.weight_sharing_run import WeightSharingRun
from oche.loop.workbench import Workbench, as_factory, as_feedback, load_state
from oche.store.record import Record
from oche.store.rows import Saved
from oche.store.store import BaseStore, Store


def make_record(run: Run, pick: Trial | None, feedback: Feedback, cost: dict[str, Cost]) -> Record:
    return Record(
        kind="search", algorithm="a", space="s", fingerprint="f", task="t", protocol={}, metric="test", metrics=dict(feedback.metrics),
        search_seed=run.seed, dna=None if pick is None else list(pick.dna.flat), status="done" if feedback.ok else "failed",
        reason=feedback.reason, cost={k: v.to_json() for k, v in cost.items()},
    )  # fmt: skip


def _run(
    algorithm: Any = TinySharing, store: BaseStore | None = None, executor: Any = None, task: Any = None, every: int = 5, **kwargs: Any
) -> WeightSharingRun:
    plan = Plan(4, kwargs.pop("budget", None), {"x": 1}, checkpoint_every=every)
    folder = store.checkpoint_dir(plan.id) if store is not None else None
    run = WeightSharingRun(tiny_space(), plan, plan.open(WeightSharingRun.kind, store), folder, make_record=make_record, **kwargs)
    Engine([run], executor or Serial(), Workbench(tiny_space(), task or TinyTask(), algorithm), quiet=True).run()
    return run


def _load(store: BaseStore, run: Run) -> Saved:
    saved = store.load(run.id)
    assert saved is not None
    return saved


def test_it_ends_in_the_pick_that_the_algorithm_alone_would_propose() -> None:
    run = _run()
    alone = TinySharing()
    alone.setup(tiny_space(), TinyTask().problem(seeds.derive(4, "problem")), 4)
    while not alone.advance(7).done:
        pass
    assert run.pick is not None
    assert run.pick.dna == alone.propose(1)[0].dna
    assert run.pick.seed == seeds.derive(4, "report", list(run.pick.dna.flat), 0)
    assert run.pick.proposal.info["score"] == alone.propose(1)[0].info["score"]
    # 24 steps, and 9 points on 2 batches at a third of a pass each.
    assert run.cost.passes == 24 + 6
    assert run.cost.seconds > 0
    assert run.final_cost.passes == 30
    (record,) = run.records
    assert record.metrics == run.pick.feedback.metrics  # type: ignore[union-attr]
    assert record.cost["search"]["passes"] == 30


@pytest.mark.parametrize("every", [1, 7, 1000])
def test_the_length_of_segments_does_not_matter(every: int, tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        assert _run(store=store, every=every).records[0].content_hash() == _run().records[0].content_hash()


def test_a_checkpoint_has_its_hash_and_only_the_last_file_stays(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        run = _run(store=store, every=10)
        saved = _load(store, run)
    assert [(c.step, c.boundary) for c in saved.checkpoints] == [(10, "advance"), (20, "advance"), (24, "advance")]
    (file,) = (tmp_path / "a.db.files" / run.id).iterdir()
    assert str(file).endswith(saved.checkpoints[-1].path)
    assert file_digest(file) == saved.checkpoints[-1].sha256
    assert load_state(str(file))["step"] == 24


def test_a_worker_without_the_live_algorithm_reads_the_file(tmp_path: Path) -> None:
    class Forgetful(Workbench):
        loads = 0

        def __call__(self, message: Any) -> Any:
            self._live.clear()
            return super().__call__(message)

    with Store(tmp_path / "a.db") as store:
        plan = Plan(4, None, {"x": 1}, checkpoint_every=5)
        log = plan.open(WeightSharingRun.kind, store)
        run = WeightSharingRun(tiny_space(), plan, log, store.checkpoint_dir(plan.id), make_record=make_record)
        Engine([run], Serial(), Forgetful(tiny_space(), TinyTask(), TinySharing), quiet=True).run()
    assert run.records[0].content_hash() == _run().records[0].content_hash()


def test_without_a_store_processes_get_a_folder_that_goes_again() -> None:
    run = _run(executor=Processes(2))
    assert run.records[0].content_hash() == _run().records[0].content_hash()
    assert run.directory is not None
    assert not run.directory.exists()


def _stopped(store: BaseStore, events: int) -> WeightSharingRun:
    """A run that stopped after some checkpoints."""

    class Stop(Exception):
        pass

    left = [events]

    def observer(run: Run, event: str) -> None:
        left[0] -= event == "checkpoint"
        if left[0] == 0:
            raise Stop

    with pytest.raises(Stop):
        _run(store=store, observer=observer)
    plan = Plan(4, None, {"x": 1}, checkpoint_every=5)
    return WeightSharingRun(tiny_space(), plan, plan.open(WeightSharingRun.kind, store), store.checkpoint_dir(plan.id))


def test_a_stopped_search_knows_its_step_and_cost(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        again = _stopped(store, 2)
        assert (again.step, again.total, again.cost.passes) == (10, 24, 10)
        assert again.share == 10 / 24


@pytest.mark.parametrize(("damage", "words"), [("remove", "got no file"), ("change", "got a changed file")])
def test_a_checkpoint_that_is_gone_or_changed_is_refused(damage: str, words: str, tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        run = _stopped(store, 2)
        (file,) = (tmp_path / "a.db.files" / run.id).iterdir()
        if damage == "remove":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes() + b"x")
        with pytest.raises(ResumeError, match=words):
            _stopped(store, 1)


def test_a_loss_that_is_not_finite_fails_the_run_names_the_step_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        run = _run(lambda: TinySharing(nan_at=13), store=store)
        saved = _load(store, run)
    assert run.status == saved.run.status == "failed"
    assert "got nan at step 13" in run.reason
    assert run.records[0].status == "failed"
    assert run.records[0].dna is None
    assert [c.step for c in saved.checkpoints] == [5, 10]
    (file,) = (tmp_path / "a.db.files" / run.id).iterdir()
    assert load_state(str(file))["step"] == 10


class _Unfit(TinySharing):
    def setup(self, space: Any, problem: Any, seed: int, budget: Any = None) -> None:
        raise SpaceError("choice 'op0': got candidates of unequal shapes")


@pytest.mark.parametrize("executor", [Serial, Processes])
def test_a_program_that_does_not_fit_is_said_to_the_user(executor: Any) -> None:
    with pytest.raises(SpaceError, match="unequal shapes"):
        _run(_Unfit, executor=executor())


class _Buggy(TinySharing):
    def advance(self, steps: int) -> Progress:
        raise AttributeError("no attribute 'foo'")


class _Silent(TinySharing):
    def propose(self, n: int) -> list[Any]:
        return []


def test_other_errors_and_no_proposal_fail_the_run() -> None:
    assert _run(_Buggy).reason == "AttributeError: no attribute 'foo'"
    assert _run(_Silent).reason == "the algorithm proposed nothing"


def test_a_failed_final_training_is_in_the_record() -> None:
    class Fails(TinyTask):
        def report(self, child: Any, seed: int) -> Feedback:
            raise RuntimeError("too large")

    run = _run(task=Fails())
    assert (run.status, run.records[0].status, run.records[0].reason) == ("failed", "failed", "RuntimeError: too large")
    assert run.records[0].dna is not None


def test_the_budget_reaches_the_algorithm() -> None:
    run = _run(budget=Budget(passes=9))
    assert run.step == 9
    assert run.status == "done"


def test_a_finished_search_comes_back_without_work(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        first = _run(store=store)
        again = _run(_Buggy, store=store)
        assert again.records[0].content_hash() == first.records[0].content_hash()
        assert again.cost == first.cost
        assert again.final_cost == first.final_cost
        assert again.pick is not None
        assert again.pick.dna == first.pick.dna  # type: ignore[union-attr]
        assert len(store.records()) == 1


# -- the workbench ------------------------------------------------------------------------------------------------------------


def test_the_workbench_answers_each_message_as_the_task_does() -> None:
    bench, on, task = Workbench(tiny_space(), TinyTask()), tiny_space(), TinyTask()
    dna = on.at(5)
    assert bench(Evaluate(dna, 3)) == task.evaluate(task.child(on, dna, 3), 3)
    assert bench(Report(dna, 3)) == task.report(task.child(on, dna, 3, final=True), 3)
    assert bench(Evaluate(dna, 3)) != bench(Evaluate(dna, 4))
    with pytest.raises(TypeError, match="unknown message"):
        bench("hello")
    with pytest.raises(Exception, match="got no algorithm"):
        bench(Advance("r", 0, 0, 1, None, None, None))
    with pytest.raises(ResumeError, match="no checkpoint for step 7"):
        Workbench(tiny_space(), TinyTask(), TinySharing)(Propose("r", 0, 7, 1, None, None))


def test_algorithms_may_be_text_classes_functions_or_objects() -> None:
    original = TinySharing(epochs=2)
    made = as_factory(original)
    assert made() is not made()
    assert made().epochs == 2
    assert isinstance(as_factory(TinySharing)(), TinySharing)
    assert as_factory(lambda: TinySharing(epochs=3))().epochs == 3
    assert as_factory("regularized-evolution?population=9")().population == 9
    with pytest.raises(Exception, match="algorithm: got 3"):
        as_factory(3)


def test_a_number_is_a_reward_and_other_things_are_refused() -> None:
    import numpy as np

    assert as_feedback(np.float32(0.5)).reward == 0.5
    assert as_feedback(3).reward == 3.0
    for bad in (None, True, "0.5", {"reward": 1}):
        with pytest.raises(Exception, match="task: got"):
            as_feedback(bad)

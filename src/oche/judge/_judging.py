"""From records to a report: what may be compared is compared, everything else is refused by name.

Every search is judged against the random average and against the random search whose cost is nearest; Holm's correction runs
over all tests of the report. How a run was made is never known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from oche.errors import JudgeError
from oche.judge import _numbers as numbers
from oche.judge._anytime import anytime_of
from oche.judge._arms import Arm
from oche.judge._checklist import checklist
from oche.judge._comparable import check_metric, check_protocols, check_space
from oche.judge._compare import Settings, compare_arms
from oche.judge._cost import CostCheck, known_trials_of
from oche.judge._entries import Entry, choose_random_search, make_entry, single_entry, with_equivalent
from oche.judge._fronts import fronts_of
from oche.judge._grouping import Group, dataset_name, flatten_records, make_groups
from oche.judge._holm import holm
from oche.judge._multi import multi_of
from oche.judge._oracle import oracle_words
from oche.judge._protocol import Protocol
from oche.judge._report import Report

# In percent points; for other units 1 % of the random mean is what a reader is taken to care about.
_SEE_POINTS = 0.5


def report(
    *runs: Any,
    baseline: Any = None,
    random_search: Any = None,
    title: str | None = None,
    alpha: float | None = None,
    ci: str | None = None,
    delta: float | None = None,
    see: float | None = None,
    seed: int = 0,
    cost_unit: str | None = None,
    allow_differ: Iterable[str] = (),
    space_size: float | None = None,
    protocol: Protocol | str | None = None,
    answers: Mapping[str, Any] | None = None,
    studies: Sequence[Any] = (),
    reference: Mapping[str, float] | None = None,
) -> Report:
    """Judge runs against random from the same space.

    Each argument is a record, a list of records, or an object with `.records`. Records of kind `random`, `population` and
    `random_search` among `runs` are taken as baseline and random search if those are not given. Every algorithm, random search
    included, is tested against the random average, and every other one against the random search whose cost is nearest.

    An algorithm with a single run is described, not judged. Records with fronts are also judged by them, in a family of their own.

    Args:
        *runs: Searches.
        baseline: Random members of the same space, trained alike, or all members of a finite space.
        random_search: Searches by random draws with selection by the search signal.
        title: Heading of the page.
        alpha: Level of the intervals and of the whole family of tests; 0.05, or the protocol's.
        ci: `welch-log` (the default unless the protocol says otherwise), `bootstrap` or `bootstrap-bca`.
        delta: Half width of the zone of equivalence, percent of improvement.
        see: Difference that matters to the reader, in points; says how many runs would see it. Default: 0.5 points, or 1 % of
            the random mean where the unit is not `%`.
        seed: Root of the resampling, where there is any.
        cost_unit: Unit in which costs are compared; by default the first of CPU-seconds, seconds, epochs, passes, trials that
            both sides count.
        allow_differ: Protocol fields that may differ; what differs is printed.
        space_size: Number of programs in the space, for the heading; read from the records' settings by default.
        protocol: What was declared before the runs, or the name of a preset: its metric is the primary one, its level and interval
            rule, and records that do not follow it are refused.
        answers: The author's answers to the checklist, by id, where records cannot tell.
        studies: Ladders, rank studies and space studies that belong to the report.
        reference: Worst values that count for hypervolumes, by objective; found from all fronts by default.

    Raises:
        JudgeError: nothing to judge or to compare with, fewer than 2 results in an arm, unequal protocols, metrics or spaces,
            duplicates, or results that are not finite.
    """
    declared = Protocol.preset(protocol) if isinstance(protocol, str) else protocol
    level = alpha if alpha is not None else declared.alpha if declared is not None else 0.05
    interval = ci if ci is not None else declared.ci if declared is not None else "welch-log"
    settings = Settings(alpha=level, ci=interval, delta=delta, seed=seed)
    searches, bases, randoms = _sort_out(runs, baseline, random_search)
    notes = [] if declared is None else declared.check(r for g in (*searches, *bases, *randoms) for r in g.records)
    differing = _check(searches, bases, randoms, tuple(allow_differ))
    notes += [f"allowed to differ: {text}" for text in differing]
    entries = _entries(searches, bases, randoms, settings, see, cost_unit)
    groups = (*bases, *randoms, *searches)
    judged = _correct(entries)
    return Report(
        title=title or "Did the search beat random?",
        entries=judged,
        groups=groups,
        settings=settings,
        warnings=tuple(dict.fromkeys([*notes, *_warnings(groups, entries)])),
        protocols={g.first.task: {"hash": g.first.protocol_hash, "protocol": dict(g.first.protocol)} for g in groups},
        space_size=space_size if space_size is not None else _space_size(groups),
        declared=declared,
        multi=multi_of(groups, judged, settings),
        anytime=anytime_of(groups),
        fronts=fronts_of(groups, settings, reference),
        checklist=checklist(
            groups, judged, answers, has_ladder=any(type(s).__name__ == "Ladder" for s in studies), differing=list(differing)
        ),
        studies=tuple(studies),
    )


def _sort_out(runs: Sequence[Any], baseline: Any, random_search: Any) -> tuple[list[Group], list[Group], list[Group]]:
    """Searches, baselines and random searches as groups, in the order given."""
    heap = flatten_records(runs, "runs")
    bases = flatten_records(baseline, "baseline")
    randoms = flatten_records(random_search, "random_search")
    if wrong := [r for r in bases if r.kind not in ("random", "population")]:
        raise JudgeError(
            f"baseline: got a run of kind {wrong[0].kind!r} ('{wrong[0].algorithm}'); allowed: 'random', 'population'; "
            "random search belongs in random_search="
        )
    if not bases:
        bases = [r for r in heap if r.kind in ("random", "population")]
    if not randoms:
        randoms = [r for r in heap if r.kind == "random_search"]
    taken = {r.id for r in (*bases, *randoms)}
    searches = [r for r in heap if r.id not in taken]
    if misplaced := [r for r in searches if r.kind in ("random", "population")]:
        raise JudgeError(
            f"runs: got {len(misplaced)} random members ({misplaced[0].id}) beside baseline=; allowed: searches; "
            "pass all random members as baseline="
        )
    if not searches and not randoms:
        raise JudgeError(
            f"report: got no search among {len(heap)} runs; allowed: records of kind 'search' or 'random_search'; run oche search first"
        )
    if not bases and not randoms:
        raise JudgeError("report: got nothing to compare with; allowed: baseline=, random_search= or both; run oche baseline first")
    return make_groups(searches, "search"), make_groups(bases, "baseline"), make_groups(randoms, "random_search")


def _check(searches: list[Group], bases: list[Group], randoms: list[Group], allow_differ: tuple[str, ...]) -> list[str]:
    """Refuse what cannot be compared; return allowed differences."""
    judged = [*searches, *randoms]
    for group in judged:
        for others, what in ((bases, "baseline"), (randoms, "random search")):
            same_task = [o for o in others if o.first.task == group.first.task]
            if same_task and not any(o.place == group.place for o in same_task):
                check_space(same_task[0].first, group.first, what)
    places = dict.fromkeys(g.place for g in judged)
    notes: list[str] = []
    for place in places:
        here = [g for g in (*bases, *judged) if g.place == place]
        kinds = {g.first.kind for g in here if g.role == "baseline"} | {r.kind for g in here if g.role == "baseline" for r in g.records}
        if len(kinds) > 1:
            raise JudgeError(
                f"baseline: got records of kinds {sorted(kinds)} on {place[0]}; allowed: one kind; "
                "pass the random members or the whole population"
            )
        records = [r for g in here for r in g.records]
        check_metric(records)
        notes.extend(check_protocols(records, allow_differ))
    return notes


def _entries(
    searches: list[Group], bases: list[Group], randoms: list[Group], settings: Settings, see: float | None, cost_unit: str | None
) -> list[Entry]:
    """Random search first, then the searches, task by task; tests not yet corrected."""
    arms: dict[int, Arm] = {}

    def arm(group: Group) -> Arm:
        if id(group) not in arms:
            arms[id(group)] = group.arm()
        return arms[id(group)]

    entries = []
    judged = [*randoms, *searches]
    for task in dict.fromkeys(g.first.task for g in judged):
        for group in (g for g in judged if g.first.task == task):
            if not group.done:
                continue  # nothing to describe; the warnings name it
            if len(group.done) == 1:
                entries.append(single_entry(group))
                continue
            base = next((b for b in bases if b.place == group.place), None)
            here = [r for r in randoms if r.place == group.place and len(r.done) > 1] if group.role == "search" else []
            chosen = choose_random_search(group, here, cost_unit)
            mine = arm(group)
            s = _settings_for(group, [mine, *([arm(base)] if base else []), *([arm(chosen[0])] if chosen else [])], settings)
            average = search = None
            cost: CostCheck | None = None
            if base is not None:
                average = compare_arms(
                    mine, arm(base), s, dataset=dataset_name(group.first), algorithm=group.label, against="random average"
                )
                average = with_equivalent(average, arm(base))
            if chosen is not None:
                other, cost = chosen
                search = compare_arms(
                    mine, arm(other), s, dataset=dataset_name(group.first), algorithm=group.label, against="random search"
                )
            judged_row = average or search
            random_mean = judged_row.mean_r if judged_row is not None else mine.mean
            wanted = see if see is not None else (_SEE_POINTS if s.unit == "%" else 0.01 * abs(random_mean) or 1.0)
            entries.append(make_entry(group, mine, average, search, cost, wanted))
    if not any(e.average is not None or e.search is not None for e in entries):
        for group in judged:  # the message of the arm that is too small says what to do
            group.arm()
    return entries


def _settings_for(group: Group, arms: Sequence[Arm], settings: Settings) -> Settings:
    """Direction, unit and scale of one comparison."""
    counts = {r.n_report for r in group.done}
    n_report = counts.pop() if len(counts) == 1 else None
    scale = "points" if any(a.mean <= 0 for a in arms) else "relative"
    return replace(settings, direction=group.first.direction, unit=group.first.unit, scale=scale, n_report=n_report)


def _correct(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Holm over all tests of all entries."""
    rows = [row for e in entries for row in (e.average, e.search) if row is not None]
    adjusted = iter([row.adjusted(p, len(rows)) for row, p in zip(rows, holm([r.p for r in rows]), strict=True)])
    corrected = []
    for entry in entries:
        average = next(adjusted) if entry.average is not None else None
        search = next(adjusted) if entry.search is not None else None
        corrected.append(replace(entry, average=average, search=search))
    return tuple(corrected)


def _warnings(groups: Sequence[Group], entries: Sequence[Entry]) -> list[str]:
    found = []
    for group in groups:
        if known := known_trials_of(group.done):
            found.append(f"{group.label}: {known} known trials that it started with are in no cost here, so its cost is not called equal")
        if words := oracle_words(group.done):
            found.append(f"{group.label}: {words}")
        for record in group.failed:
            found.append(
                f"a run of '{group.label}' on {dataset_name(group.first)} failed and is in no number "
                f"(search seed {record.search_seed}): {record.reason or 'no reason recorded'}"
            )
    for entry in entries:
        for row in (entry.average, entry.search):
            if row is None:
                continue
            found.extend(f"{entry.algorithm} on {entry.dataset} vs {row.against}: {w}" for w in row.warnings)
            if row.scale == "points":
                unit = numbers.points_unit(row.unit) or "the metric"
                found.append(f"{entry.dataset}: a mean is not positive, so improvements are differences in {unit}")
    return [*found, *_copied(groups)]


def _copied(groups: Sequence[Group]) -> list[str]:
    """Arms of one task that agree digit for digit: nearly always a copying mistake in the source."""
    seen: dict[tuple[Any, ...], Group] = {}
    found = []
    for group in groups:
        if group.population or len(group.done) < 3:
            continue
        values = tuple(sorted(r.value for r in group.done))
        key = (group.first.task, values)
        if key in seen and len(set(values)) > 1:
            one, other = seen[key], group
            found.append(
                f"'{one.label}' in space {one.first.space} and '{other.label}' in space {other.first.space} on {dataset_name(group.first)} "
                "are equal digit for digit: are they the same runs?"
            )
        seen.setdefault(key, group)
    return found


def _space_size(groups: Sequence[Group]) -> float | None:
    """Number of programs, from the records' settings or from a baseline that holds them all."""
    sizes = {r.settings["space_size"] for g in groups for r in g.records if isinstance(r.settings.get("space_size"), (int, float))}
    sizes = sizes or {g.arm().n for g in groups if g.population}
    return float(sizes.pop()) if len(sizes) == 1 else None

"""What searches with shared weights say of themselves, in the three forms of a report."""

from __future__ import annotations

from tests.judge.made_records import runs

from oche import judge


def test_a_report_says_how_decided_the_logits_were(tmp_path):
    searches = runs("search", [96.0, 97.0, 98.0])
    told = []
    for i, record in enumerate(searches):
        metrics = {**record.metrics, "logits_entropy": 0.9 + 0.01 * i, "supernet_score": 0.8, "shared_score": 0.25}
        told.append(type(record).from_json({**record.to_json(), "metrics": metrics}))
    report = judge.report(told, random_search=runs("random_search", [94.0, 95.0, 96.0]))
    (line,) = report.signals
    mean = sum(r.metrics["logits_entropy"] for r in told) / len(told)
    last = 0.9 + 0.01 * (len(told) - 1)
    assert line == f"logits of evolution: entropy {mean:.3f} of that of uniform ones, 0.900 to {last:.3f} in {len(told)} runs"
    assert line in str(report)
    assert "mixture 80.0 % valid, its point with the shared weights 25.0 % (-55.0)" in str(report)
    report.save(tmp_path / "report.html")
    assert "How decided the logits were" in (tmp_path / "report.html").read_text()


def test_without_logits_nothing_is_said():
    report = judge.report(runs("search", [96.0, 97.0, 98.0]), random_search=runs("random_search", [94.0, 95.0, 96.0]))
    assert report.signals == () and "logits" not in str(report)

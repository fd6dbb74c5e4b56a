"""A report is put together from what the gates said, and read back as it was stored, however old."""

import json
from typing import Any

from kb_platform.release.reports.evaluation_report import VERSION, EvaluationReport, GateLine, assemble_report
from kb_platform.storage.gates import GateResult
from kb_platform.storage.reports import ReleaseChanges
from kb_platform_tests.release.conftest import DIGEST, coverage_result, golden_result, sealed

CHANGES = ReleaseChanges(3, 1, 0, 20, 4)
LATER = ("release", "compared_with", "seconds", "slice_scores", "query_scores")


def report(*results: GateResult, **changes: Any) -> EvaluationReport:
    return assemble_report("kb", sealed(**changes), "pass", results, CHANGES)


def test_a_report_names_what_was_judged_against_what_and_by_which_golden_set() -> None:
    made = report(coverage_result(), golden_result())
    assert (made.version, made.release, made.base_release, made.compared_with) == (VERSION, 2, 1, 1)
    assert (made.digest, made.golden_hash, made.space) == (DIGEST.hex(), "hash-1", "space")
    assert (made.documents, made.chunks, made.changes) == (7, 40, CHANGES)
    assert made.seconds == {"coverage": 0.25, "golden_retrieval": 1.5}


def test_a_gate_that_is_not_required_is_marked() -> None:
    lines = report(coverage_result(), golden_result(), required_gates=["coverage"]).gates
    assert [(line.gate, line.required) for line in lines] == [("coverage", True), ("golden_retrieval", False)]


def test_the_golden_results_hold_slices_tests_flips_and_both_result_lists() -> None:
    golden = report(golden_result()).golden
    assert golden is not None
    assert {s.slice for s in golden.slice_scores} == {"all", "critical", "dose"}
    assert golden.comparisons[0].key == "Success@5 all"
    assert [change.query for change in golden.worse] == ["q000", "q001", "q007"]
    assert [change.query for change in golden.better] == ["q003"]
    for change in (*golden.worse, *golden.better):
        assert change.results is not None
        assert change.results.candidate[0].doc_id == change.results.live[0].doc_id == "doc"


def test_what_is_stored_is_what_is_read() -> None:
    made = report(coverage_result(), golden_result())
    assert EvaluationReport.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_evidence_from_before_there_were_intervals_still_shows_its_means() -> None:
    result = golden_result()
    older = {key: value for key, value in result.evidence.items() if key not in LATER}
    for change in (*older["worse"], *older["better"]):
        change.pop("results")
    golden = report(GateResult("golden_retrieval", True, "pass", 0.9, None, older, "hash-1")).golden
    assert golden is not None
    assert golden.of_measure("nDCG@10")[0].candidate == result.evidence["slice_metrics"]["all"]["nDCG@10"]
    assert (golden.slice_scores[0].interval, golden.query_scores, golden.worse[0].results) == (None, None, None)


def test_a_release_without_goldens_has_a_report_all_the_same() -> None:
    made = report(coverage_result())
    assert (made.golden, made.golden_hash, made.compared_with) == (None, None, None)


def test_judged_answers_come_with_what_they_cost() -> None:
    evidence = {
        "judge": "judge-1", "answering": "writer-1", "votes_given": 30, "votes_reused": 10, "failures": {"timeout": 1},
        "usage": {"requests": 40, "input_tokens": 9000, "output_tokens": 800, "cost": None},
        "by_metric": [{"metric": "faithfulness", "queries": 10, "mean": 0.9, "floor": None, "asked": 20, "failed": 1, "comparison": None,
                       "differing": 0, "spread": None, "noise_floor": 0.0}],
    }
    judged = report(GateResult("answer_quality", True, "pass", 0.9, None, evidence)).judged
    assert judged is not None
    assert (judged.by_metric[0].mean, judged.usage["input_tokens"], judged.failures) == (0.9, 9000, {"timeout": 1})


def test_ten_thousand_goldens_make_a_report_of_less_than_a_megabyte() -> None:
    stored = json.dumps(report(golden_result(10_000, missed=tuple(range(0, 10_000, 9)))).to_dict())
    assert len(stored) < 1_000_000


def test_what_was_measured_has_its_unit() -> None:
    def shown(gate: str, metric: float | None, threshold: float) -> tuple[str, str]:
        line = GateLine(gate, False, True, "pass", metric, threshold)
        return line.measured, line.limit

    assert shown("latency", 12.34, 500.0) == ("12.3 ms", "500 ms")
    assert shown("freshness", 2.0, 7.0) == ("2 d", "7 d")
    assert shown("index_recall", 0.9876, 0.95) == ("0.988", "0.950")
    assert shown("a_gate_of_an_older_release", None, 1.0) == ("", "1.000")

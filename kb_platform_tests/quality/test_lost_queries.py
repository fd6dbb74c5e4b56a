"""What a person is shown first: goldens that were lost, then those that are not answered, slice by slice."""

from dataclasses import asdict

from kb_platform.quality.gate import decide_gate
from kb_platform.quality.lost_queries import LostInSlice, lost_by_slice, worst_first
from kb_platform.quality.slice_scores import slice_scores
from kb_platform_tests.quality.builders import golden_set, scores


def evidence(live: dict[str, dict[str, float]] | None) -> dict[str, object]:
    goldens, ours = golden_set(10, critical=2, slices={"dose": range(5), "easy": range(7, 10)}), scores(10, missed=(1, 2, 6), ranks={4: 2})
    return decide_gate(ours, live, goldens).to_dict() | {"slice_scores": [asdict(s) for s in slice_scores(goldens.goldens, ours, live)]}


def test_losses_come_first_and_then_what_was_never_answered() -> None:
    found = evidence(scores(10, missed=(6,)))
    assert [query["query"] for query in worst_first(found)] == ["q001", "q002", "q004", "q006"]
    assert (found["worse_count"], found["unanswered_count"]) == (3, 3)
    assert [query["query"] for query in found["unanswered"]] == ["q001", "q002", "q006"], "critical ones first"


def test_slices_name_what_they_lost_and_slices_without_a_loss_are_left_out() -> None:
    assert lost_by_slice(evidence(scores(10, missed=(6,)))) == [
        LostInSlice("all", 10, 0.7, 0.9, ("q001", "q002", "q004"), ("q001", "q002", "q006")),
        LostInSlice("critical", 2, 0.5, 1.0, ("q001",), ("q001",)),
        LostInSlice("dose", 5, 0.6, 1.0, ("q001", "q002", "q004"), ("q001", "q002")),
    ]


def test_without_a_live_release_what_is_not_answered_is_named_all_the_same() -> None:
    found = evidence(None)
    assert [(lost.slice, lost.live, lost.worse, lost.unanswered) for lost in lost_by_slice(found)][0] == ("all", None, (), ("q001", "q002", "q006"))
    assert found["unanswered"][0]["live"] == {}


def test_the_evidence_of_an_older_report_names_nothing() -> None:
    assert worst_first({}) == []
    assert lost_by_slice({"worse": [], "slice_scores": []}) == []

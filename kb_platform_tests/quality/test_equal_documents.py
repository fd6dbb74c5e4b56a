"""Documents with the same text take one place in a ranking that is judged by documents."""

from kb_platform.quality.equal_documents import one_place_each
from kb_platform.quality.metrics import evaluate_run


def test_copies_stand_where_the_best_of_them_stood_with_the_highest_grade() -> None:
    run = {"q": {"copy-2": 0.9, "copy-1": 0.8, "copy-3": 0.8, "other": 0.5, "copy-1b": 0.1}}
    qrels = {"q": {"copy-3": 2, "copy-1": 1, "other": 1}}
    ranked, judged = one_place_each(run, qrels, {f"copy-{n}": "copy-1" for n in (1, 2, 3)})
    assert ranked == {"q": {"copy-1": 0.9, "other": 0.5, "copy-1b": 0.1}}
    assert judged == {"q": {"copy-1": 2, "other": 1}}
    assert evaluate_run(judged, ranked, ("R@10", "nDCG@10")).mean == {"R@10": 1.0, "nDCG@10": 1.0}


def test_without_copies_nothing_changes() -> None:
    run, qrels = {"a": {"x": 0.5, "y": 0.4}, "b": {}}, {"a": {"y": 1}}
    assert one_place_each(run, qrels, {}) == (run, qrels)

"""The table of every golden's measures says what the scores said, exactly, and stays small."""

import json
from dataclasses import asdict

from pydantic import TypeAdapter

from kb_platform.quality.query_scores import QueryScores
from kb_platform_tests.quality.builders import at_rank, scores

READ = TypeAdapter(QueryScores)


def test_every_figure_survives_json_and_stands_where_it_stood() -> None:
    candidate, live = scores(5, missed=(1,), ranks={2: 3}), scores(4, ranks={0: 2})
    table = READ.validate_python(json.loads(json.dumps(asdict(QueryScores.of(candidate, live)))))
    for column, side in ((table.candidate, candidate), (table.live, live)):
        for query, row in zip(table.queries, column, strict=True):
            shown = None if row is None else dict(zip(table.measures, table.rows[row], strict=True))
            assert shown == side.get(query)


def test_differences_are_of_the_goldens_that_both_were_judged_by() -> None:
    table = QueryScores.of(scores(3, missed=(0,)), {query: row for query, row in scores(3, missed=(1,)).items() if query != "q002"})
    assert table.differences("Success@5") == [-1.0, 1.0]


def test_without_a_live_release_its_column_is_empty() -> None:
    assert QueryScores.of(scores(2), None).live == (None, None)


def test_ten_thousand_goldens_take_less_than_a_quarter_of_a_megabyte() -> None:
    ranks = {f"handbook-{n:05}": at_rank(n % 6 or None) for n in range(10_000)}
    assert len(json.dumps(asdict(QueryScores.of(ranks, ranks)))) < 250_000

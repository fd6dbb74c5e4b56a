"""What the index holds is what chunking said, to the last bit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.binary_copy import int_array, sparse_vector
from kb_platform_tests.flow.steps import refresh_by_steps
from kb_platform_tests.flow.test_refresh import FILES

MakeKb = Callable[..., KnowledgeBase]


def test_the_index_holds_the_chunk_files_rows(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    refresh_by_steps(kb, "2026-03-01")
    store = session.store(kb.name)
    with store.database.transaction("owner") as c:
        (capture,) = c.execute("select source, day, seq from capture").fetchall()
        stored = c.execute("""select k.doc_id, p.ordinal, p.start_char, p.end_char, k.content_hash, k.dup_no, k.text_hash, k.content,
                                     k.context, k.terms, k.term_weights
                              from chunk k join document_version d using (source, doc_id) join passage p on p.version_id = d.id
                                and p.content_hash = k.content_hash and p.dup_no = k.dup_no order by 1, 2""").fetchall()
    folder = f"chunks/{capture[0]}/{capture[1]}/{capture[2]:06d}-"
    (file,) = (Path(session.settings().object_store) / kb.name).glob(f"{folder}*.parquet")
    rows = store.objects.read(str(file.relative_to(Path(session.settings().object_store) / kb.name)))
    chunked = {(row["doc_id"], c["ordinal"]): c for row in rows for c in row["chunks"]}
    assert len(stored) == len(chunked) > 2
    for doc_id, ordinal, start, end, content_hash, dup_no, text_hash, content, context, terms, weights in stored:
        c = chunked[doc_id, ordinal]
        assert (start, end, bytes(content_hash), dup_no, bytes(text_hash), content, context, terms) == (
            c["start"], c["end"], c["content_hash"], c["dup_no"], c["text_hash"], c["content"], c["context"], c["terms"])
        assert weights.indices() == [term - 1 for term in terms]
        np.testing.assert_array_equal(np.array(weights.values(), np.float32), np.array(c["weights"], np.float32))


@pytest.mark.parametrize(("terms", "weights"), [([], []), ([1], [0.5]), ([3, 999, 1_000_000_000], [0.125, 1e-6, 0.999])])
def test_binary_values_are_read_as_what_they_were(make_kb: MakeKb, terms: list[int], weights: list[float]) -> None:
    database = session.store(make_kb(FILES).name).database
    with database.transaction("writer") as c:
        c.execute("create temp table copied (terms int[], weights sparsevec) on commit drop")
        with c.cursor().copy("copy copied from stdin with (format binary)") as copy:
            copy.set_types(["bytea", "bytea"])
            copy.write_row((int_array(terms), sparse_vector(terms, weights)))
        ((read_terms, read_weights),) = c.execute("select * from copied").fetchall()
    assert read_terms == terms
    assert read_weights.indices() == [term - 1 for term in terms]
    np.testing.assert_array_equal(np.array(read_weights.values(), np.float32), np.array(weights, np.float32))

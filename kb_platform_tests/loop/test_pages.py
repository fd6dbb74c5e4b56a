"""What a team does in the pages, through the same GraphQL, with the real webserver, daemon and run processes."""

import json

from kb_platform.cli import session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.storage.releases import live_release
from kb_platform_tests.flow.test_refresh import GOLDEN
from kb_platform_tests.loop.everything import REFUSED
from kb_platform_tests.loop.pages import LISTED, ask, materialize

GRAPH = """{ assetNodes { assetKey { path } groupName dependencyKeys { path } isPartitioned
    assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } }"""


def test_a_failed_candidate_is_refused_in_the_pages_and_the_graph_is_there(pages: str) -> None:
    kb = session.knowledge_base(REFUSED)
    first = refresh_once(kb, "2026-03-01", None, quiet=True)["release"]
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN)
    (kb.folder / "documents" / "pharmacy" / "fridge.md").write_text("This page has moved.\n")
    assert exit_code(refresh_once(kb, "2026-03-02", None, quiet=True)) in (3, 4)

    run = materialize(pages, kb.name, "promoted_release")
    assert run["status"] == "FAILURE"
    said = json.dumps(run["eventConnection"]["events"])
    assert "cannot be promoted" in said
    assert "golden_retrieval" in said
    assert live_release(session.store(kb.name).database) == first

    label = {"key": ".dagster/repository", "value": "__repository__@kb_platform"}  # what the page of a job asks for
    listed = ask(pages, LISTED, filter={"pipelineName": f"{kb.name}_release", "tags": [label]})["runsOrError"]["results"]
    assert [run["status"] for run in listed] == ["FAILURE", "SUCCESS"]

    nodes = {tuple(n["assetKey"]["path"]): n for n in ask(pages, GRAPH)["assetNodes"] if n["assetKey"]["path"][0] == kb.name}
    chain = ["raw_documents", "chunks", "embeddings", "vector_index"]
    keys = [(kb.name, "docs", step) for step in chain] + [(kb.name, "release_candidate"), (kb.name, "promoted_release")]
    assert set(nodes) == {*keys, (kb.name, "maintenance")}
    assert {node["groupName"] for node in nodes.values()} == {kb.name}
    for before, after in zip(keys, keys[1:], strict=False):
        assert nodes[after]["dependencyKeys"] == [{"path": list(before)}]
    checks = nodes[kb.name, "release_candidate"]["assetChecksOrError"]["checks"]
    assert {"coverage", "index_recall", "embedding_health", "golden_retrieval"} <= {c["name"] for c in checks if c["blocking"]}

"""Two releases asked the same golden queries now: the golden gate's measurement, and that of `kb compare`."""

from dataclasses import asdict, dataclass

from kb_platform.index.embed import LoadEmbedder
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.quality.gate import decide_gate
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.golden import GoldenSet
from kb_platform.quality.query_scores import QueryScores
from kb_platform.quality.result_lists import with_result_lists
from kb_platform.quality.review_cases import stale_golden_cases
from kb_platform.quality.slice_scores import slice_scores
from kb_platform.release.golden_scores import GoldenScores, Questions, score_goldens
from kb_platform.storage.gates import GateResult
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class AskedBoth:
    """What a release, and the one that it is compared with (None: none), found for the same goldens."""

    goldens: GoldenSet
    release: int
    compared_with: int | None
    candidate: GoldenScores
    live: GoldenScores | None

    def judged(self, kb: KnowledgeBase) -> GateResult:
        """Return what the golden gate says of it, with all that a report shows."""
        goldens, now, live = self.goldens, self.candidate, self.live
        ours, theirs = now.metrics.per_query, live.metrics.per_query if live else None
        verdict = decide_gate(ours, theirs, goldens, GateParameters(**kb.gate), stale=now.stale, live_stale=live.stale if live else ())
        evidence = with_result_lists(verdict.to_dict(), now.found, live.found if live else {}) | {
            "release": self.release,
            "compared_with": self.compared_with,
            "slice_scores": [asdict(score) for score in slice_scores(goldens.goldens, ours, theirs)],
            "query_scores": asdict(QueryScores.of(ours, theirs)),
        }
        return GateResult("golden_retrieval", verdict.passed, verdict.verdict.value, verdict.metric, verdict.threshold, evidence,
                          goldens.content_hash, {CaseKind.STALE_GOLDEN: stale_golden_cases(goldens, now.stale)})


def ask_both(
    store: Store, kb: KnowledgeBase, goldens: GoldenSet, release_id: int, live_id: int | None, load_embedder: LoadEmbedder,
    progress: Progress = silent,
) -> AskedBoth:
    """Search a release, and the live one (or the one that stands for it), with every golden's question."""
    asked = Questions(goldens)
    now = score_goldens(store, kb, asked, release_id, load_embedder, progress)
    live = score_goldens(store, kb, asked, live_id, load_embedder, progress) if live_id else None
    return AskedBoth(goldens, release_id, live_id, now, live)

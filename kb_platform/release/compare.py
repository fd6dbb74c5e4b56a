"""Two kept releases, asked today's golden queries now: what stored reports cannot say when the golden set has changed since."""

from dataclasses import replace

from kb_platform.index.embed import LoadEmbedder
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.quality.golden import GoldenSet
from kb_platform.release.golden_comparison import ask_both
from kb_platform.release.reports.evaluation_report import EvaluationReport, assemble_report
from kb_platform.storage.releases import kept_release
from kb_platform.storage.stores import Store


def compare_releases(
    store: Store, kb: KnowledgeBase, goldens: GoldenSet, before: int, after: int, load_embedder: LoadEmbedder,
    progress: Progress = silent,
) -> EvaluationReport:
    """Return the report on `after` as if `before` were live and it were the candidate. Nothing is stored.

    Raises:
        ConfigError: both are one release.
        StateError: one of them is not sealed, was discarded, or its rows were collected.
    """
    if before == after:
        raise ConfigError(f"release {before} is compared with itself", expected="two releases")
    kept_release(store.database, before)
    release = kept_release(store.database, after)
    result = ask_both(store, kb, goldens, after, before, load_embedder, progress).judged(kb)
    alone = replace(release, required_gates=[result.gate])
    return assemble_report(kb.name, alone, result.verdict, [result])

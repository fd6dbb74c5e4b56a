"""The limits that a team may set for the gates other than the golden one (quality/gate_parameters.py), with their defaults."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GateLimits:
    """What the gates of one knowledge base hold a candidate to.

    Attributes:
        max_failed_share: coverage: share of delivered documents that may fail to parse.
        index_recall: recall@10 of the vector index against exact search.
        max_churn_share: churn: share of a source's documents, chunks, or values of a metadata field that a candidate may remove or change.
            Some deliveries exceed it rightly (a release of the Human Disease Ontology touched 58 % of its terms at once): a person says so.
        min_churn_documents: churn: fewer removed and changed documents than this never count.
        min_churn_chunks: churn: fewer removed and changed chunks than this never count.
        max_duplicate_share: duplicates: share of repeated text in a first release.
        max_duplicate_growth: duplicates: by how much that share may exceed the live release's.
        min_duplicates: duplicates: repeated text in fewer documents than this never counts.
        max_age_days: freshness: age of a source's newest delivery.
        max_latency_ms: latency: of 95 in 100 searches.
    """

    max_failed_share: float = 0.1
    index_recall: float = 0.95
    max_churn_share: float = 0.15
    min_churn_documents: int = 5
    min_churn_chunks: int = 50
    max_duplicate_share: float = 0.5
    max_duplicate_growth: float = 0.05
    min_duplicates: int = 10
    max_age_days: int = 30
    max_latency_ms: float = 500.0

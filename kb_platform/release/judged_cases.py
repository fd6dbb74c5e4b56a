"""Cases for the judge: each golden's question as a release answers it. Answers are kept, so the same passages are answered once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from kb_platform.index.embed import LoadEmbedder
from kb_platform.index.fusion import FusionParameters
from kb_platform.index.retrieve import Retriever
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress
from kb_platform.quality.golden import Golden
from kb_platform.quality.judges.answers import PROMPT_VERSION
from kb_platform.quality.judges.cases import Case, answer_key, reference_of
from kb_platform.quality.judges.endpoint import Endpoint, Usage
from kb_platform.quality.judges.panel import Failed, ask_answers
from kb_platform.quality.passages import DocumentKey, resolve_goldens, stale_goldens
from kb_platform.storage.database import Database
from kb_platform.storage.document_texts import document_texts
from kb_platform.storage.judge_votes import Spent, find_answers, keep_answer
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class Answered:
    """Cases by side, with the answers that there are; what was asked in vain; and what asking used."""

    sides: tuple[tuple[Case, ...], ...]
    failed: tuple[Failed[Case], ...] = ()
    usage: Usage = Usage()


def fresh_goldens(store: Store, release_id: int, goldens: Sequence[Golden]) -> list[Golden]:
    """Return the goldens that still say what is right: those whose passages stand in the release."""

    def texts(ids: Collection[str] | None) -> Iterator[tuple[DocumentKey, str]]:
        return ((DocumentKey(*key), text) for key, text in document_texts(store.database, release_id, ids))

    stale = stale_goldens(resolve_goldens(goldens, texts))
    return [golden for golden in goldens if golden.id not in stale]


def retrieve_cases(
    store: Store, kb: KnowledgeBase, release_id: int, goldens: Sequence[Golden], load_embedder: LoadEmbedder, passages: int
) -> tuple[Case, ...]:
    """Return one case a golden, with the passages that the release finds for it."""
    retriever = Retriever(store.database, load_embedder, FusionParameters.from_settings(kb.search), role="gate")
    questions = [golden.question for golden in goldens]
    found = retriever.search_many(questions, retriever.embedder(release_id).embed_queries(questions), release_id, k=passages) if questions else ()
    return tuple(
        Case(golden.id, golden.question, tuple(hit.content for hit in hits), reference_of(golden))
        for golden, hits in zip(goldens, found, strict=True)
    )


def answer_cases(
    database: Database, endpoint: Endpoint, sides: Sequence[tuple[Case, ...]], max_error_share: float, progress: Progress
) -> Answered:
    """Return the cases with answers: kept ones where there are any, new ones where not. A case without one has None."""

    def key(case: Case) -> bytes:
        return answer_key(endpoint.model, PROMPT_VERSION, case)

    cases = {key(case): case for side in sides for case in side}
    answers = find_answers(database, cases)

    def keep(case: Case, answer: str, usage: Usage) -> None:
        answers[key(case)] = answer
        keep_answer(database, key(case), endpoint.model, PROMPT_VERSION, answer, spent(usage))

    missing = [case for at, case in cases.items() if at not in answers]
    asked = ask_answers(endpoint, missing, keep, may_fail=int(max_error_share * len(cases)), progress=progress)
    answered = tuple(tuple(replace(case, answer=answers.get(key(case))) for case in side) for side in sides)
    return Answered(answered, asked.failed, asked.usage)


def spent(usage: Usage) -> Spent:
    """Return a usage as it is stored."""
    return Spent(usage.requests, usage.input_tokens, usage.output_tokens, usage.cost)

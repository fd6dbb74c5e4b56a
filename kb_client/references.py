"""What a retriever's document says of where it is from: enough to cite it, to fetch it again, and to give feedback about it."""

from typing import Any

from kb_client.messages import Answer, Hit

AWAITED = "this retriever has a knowledge base of an AsyncClient: await {}, or give it one of a Client"


def reference(answer: Answer, hit: Hit) -> dict[str, Any]:
    """Return a hit's origin as plain values."""
    return {"title": hit.title, "source": hit.source, "doc_id": hit.doc_id, "start": hit.start, "end": hit.end, "chunk": hit.chunk,
            "knowledge_base": answer.knowledge_base, "release": answer.release}

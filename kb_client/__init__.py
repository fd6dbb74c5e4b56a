"""Ask the knowledge bases of a kb-platform: search, documents, chunks, releases, feedback.

client        Client and its KnowledgeBase; read this first
async_client  the same with await
calls         what is sent, and what comes back: shared by both
retries       when something is tried again: shared by both
messages      what comes back, as values
errors        what can go wrong
llama_index   a retriever for LlamaIndex; langchain: one for LangChain. Extras: their libraries are imported by these modules alone
"""

from kb_client.async_client import AsyncClient, AsyncKnowledgeBase
from kb_client.client import Client, KnowledgeBase
from kb_client.errors import Busy, Forbidden, KbClientError, NotFound, Refused, Unauthorized, UnexpectedAnswer, Unreachable
from kb_client.messages import Answer, Chunk, Document, Hit, Place, Release, ReleaseList, SameText

__all__ = [
    "Answer", "AsyncClient", "AsyncKnowledgeBase", "Busy", "Chunk", "Client", "Document", "Forbidden", "Hit", "KbClientError", "KnowledgeBase", "NotFound",
    "Place", "Refused", "Release", "ReleaseList", "SameText", "Unauthorized", "UnexpectedAnswer", "Unreachable",
]

"""The one error of parsing. It has a module of its own so that readers and their caller can both name it."""

from kb_platform.knowledge.errors import PermanentError


class DocumentUnreadable(PermanentError):  # noqa: N818  a fact about a document, named like one
    """One document cannot be used; the others can. The message is one line and holds nothing of the document."""

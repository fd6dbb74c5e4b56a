"""The one error of parsing. It has a module of its own so that readers and their caller can both name it."""

from kb_platform.knowledge.errors import PermanentError


class DocumentUnreadable(PermanentError):
    """One document cannot be used; the others can. The message is one line and holds nothing of the document."""

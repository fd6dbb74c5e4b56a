"""Component types, under the names that defs.yaml uses."""

from kb_platform.components.knowledge_base.component import KnowledgeBase

__all__ = ["KnowledgeBase"]

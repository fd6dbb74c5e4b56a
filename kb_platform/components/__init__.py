"""Component types, under the names that defs.yaml uses. Loaded when asked for: commands read defs.yaml without Dagster."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kb_platform.components.knowledge_base.component import KnowledgeBase

__all__ = ["KnowledgeBase"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kb_platform.components.knowledge_base.component import KnowledgeBase

    return KnowledgeBase


def __dir__() -> list[str]:
    """Name them to Dagster, which looks for component types here."""
    return __all__

"""One reader process for all tests of this folder: starting it is most of the time of a test."""

from collections.abc import Iterator
from typing import Any

import pytest

from kb_platform.ingest.parse import parse_document
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.knowledge.documents import Document
from kb_platform_tests.ingest.made_files import Parse, raw


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Yield a running reader process."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def parse(sandbox: Sandbox) -> Parse:
    """Return a function that parses content under a file name."""

    def parse_content(name: str, content: bytes | str, **more: Any) -> Document:
        return parse_document(raw(name, content, **more), sandbox=sandbox)

    return parse_content

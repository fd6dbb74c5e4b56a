"""One home for the folder: two knowledge bases, one of them with two releases, and a search API over them."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kb_platform.cli import session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.settings import Settings
from kb_platform.storage.database import Database
from kb_platform_tests.flow.conftest import write_kb
from kb_platform_tests.homes import at_home, serving_home
from kb_platform_tests.serving.apis import Api, api

TOPICS = ("Visitors", "Laundry", "Porters", "Badges", "Meals", "Parking")
WARDS = "wards"
PHARMACY = "pharmacy"


def text_of(topic: str, edition: str) -> str:
    """Return a document that says which edition it is of."""
    return f"---\nunit: {topic.lower()}\n---\n\n# {topic}\n\n{topic} on the ward are arranged by the desk of the {edition} edition.\n\nCall extension 4410 for {topic.lower()}.\n"


@dataclass(frozen=True)
class Served:
    """What is served, and with which settings."""

    settings: Settings

    @property
    def wards(self) -> Database:
        """Return the one with two releases, opened by the module that works in the home now."""
        return session.store(WARDS).database


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """Yield two knowledge bases: release 1 of `wards` is of the first edition, release 2, which is live, of the second."""
    with serving_home("kb-serving-") as chosen:
        with at_home(chosen):
            _released(chosen)
        yield Served(chosen)


def _released(chosen: Settings) -> None:
    folder = chosen.home.parent
    wards = write_kb(folder, WARDS, {f"{topic.lower()}/page one.md": text_of(topic, "first") for topic in TOPICS}, gate={"max_churn_share": 1})
    assert refresh_once(wards, "2026-03-01", None, quiet=True)["promoted"]
    for topic in TOPICS:
        (wards.folder / "documents" / topic.lower() / "page one.md").write_text(text_of(topic, "second"))
    assert refresh_once(wards, "2026-03-02", None, quiet=True)["promoted"]
    pharmacy = write_kb(folder, PHARMACY, {"fridge.md": "# Fridge\n\nVaccines are kept between two and eight degrees.\n"})
    assert refresh_once(pharmacy, "2026-03-01", None, quiet=True)["promoted"]


@pytest.fixture(scope="module", autouse=True)
def at_the_home(served: Served) -> Iterator[None]:
    """Let a module's tests work in that home."""
    with at_home(served.settings):
        yield


@pytest.fixture(scope="session")
def open_api(served: Served) -> Iterator[Api]:
    """Yield an API that asks for no keys, for tests that change nothing of it."""
    with api(served.settings) as running:
        yield running

"""One home for the folder: two knowledge bases, one of them with two releases, keys, and two search APIs over them: an open one, and one that asks for keys."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kb_platform.cli import session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.api_keys import new_key
from kb_platform.resources.gpu_window import open_deployment
from kb_platform.settings import Settings
from kb_platform.storage.api_keys import add_key, revoke_key
from kb_platform.storage.database import Database
from kb_platform_tests.flow.conftest import write_kb
from kb_platform_tests.homes import at_home, serving_home
from kb_platform_tests.serving.apis import Api, api

TOPICS = ("Visitors", "Laundry", "Porters", "Badges", "Meals", "Parking")
WARDS = "wards"
PHARMACY = "pharmacy"
KEYS = {  # grants, and what they let: of pharmacy, of wards, of what is not there
    "every": (("*",), "rf", "rf", "rf"), "every, reading": (("*:read",), "r", "r", "r"), "its own": ((PHARMACY,), "rf", "", ""),
    "its own, reading": ((f"{PHARMACY}:read",), "r", "", ""), "two": ((WARDS, f"{PHARMACY}:read"), "r", "rf", ""), "another": ((WARDS,), "", "rf", ""),
}


def text_of(topic: str, edition: str) -> str:
    """Return a document that says which edition it is of."""
    return f"---\nunit: {topic.lower()}\n---\n\n# {topic}\n\n{topic} on the ward are arranged by the desk of the {edition} edition.\n\nCall extension 4410 for {topic.lower()}.\n"


@dataclass(frozen=True)
class Served:
    """What is served, with which settings, and the keys to it: one for each of KEYS, and some that let nobody in."""

    settings: Settings
    keys: dict[str, str]

    @property
    def wards(self) -> Database:
        """Return the one with two releases, opened by the module that works in the home now."""
        return session.store(WARDS).database


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    """Yield two knowledge bases: release 1 of `wards` is of the first edition, release 2, which is live, of the second."""
    with serving_home("kb-serving-") as chosen:
        with at_home(chosen):
            _released(chosen)
            keys = _keys()
        yield Served(chosen, keys)


def _released(chosen: Settings) -> None:
    folder = chosen.home.parent
    wards = write_kb(folder, WARDS, {f"{topic.lower()}/page one.md": text_of(topic, "first") for topic in TOPICS}, gate={"max_churn_share": 1})
    assert refresh_once(wards, "2026-03-01", None, quiet=True)["promoted"]
    for topic in TOPICS:
        (wards.folder / "documents" / topic.lower() / "page one.md").write_text(text_of(topic, "second"))
    assert refresh_once(wards, "2026-03-02", None, quiet=True)["promoted"]
    pharmacy = write_kb(folder, PHARMACY, {"fridge.md": "# Fridge\n\nVaccines are kept between two and eight degrees.\n"})
    assert refresh_once(pharmacy, "2026-03-01", None, quiet=True)["promoted"]


def made_key(*grants: str) -> str:
    """Return a new key with these grants."""
    key = new_key()
    add_key(open_deployment(), key, "an application", grants, rate=None, expires_at=None, by="ann")
    return key.text


def _keys() -> dict[str, str]:
    made = {name: made_key(*grants) for name, (grants, *_) in KEYS.items()}
    revoked = made_key("*")
    revoke_key(open_deployment(), revoked.split("_")[1], "ann")
    expired = new_key()
    with open_deployment().transaction("owner") as c:
        c.execute("insert into api_key (key_id, name, secret_hash, grants, created_at, expires_at, by_name) "
                  "values (%s, 'old', %s, '{*}', now() - interval '2 days', now() - interval '1 day', 'ann')", (expired.key_id, expired.secret_hash))
    every = made["every"]
    return made | {"revoked": revoked, "expired": expired.text, "of nobody": new_key().text, "cut": every[:-1], "longer": every + "A",
                   "another's secret": every[:16] + made["another"][16:], "no key": "x", "empty": ""}


@pytest.fixture(scope="module", autouse=True)
def at_the_home(served: Served) -> Iterator[None]:
    """Let a module's tests work in that home."""
    with at_home(served.settings):
        yield


@pytest.fixture(scope="package")
def open_api(served: Served) -> Iterator[Api]:
    """Yield an API that asks for no keys, and has a port for its monitor, for tests that change nothing of it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with api(served.settings, monitor_port=port) as running:
        yield running


@pytest.fixture(scope="package")
def keyed_api(served: Served) -> Iterator[Api]:
    """Yield an API that asks for keys, whatever its settings say, because it listens beyond the loopback."""
    with api(served.settings, host="0.0.0.0", open=True, rate=100_000) as running:
        yield running

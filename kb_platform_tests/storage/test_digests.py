"""Digests of documents: the same before and after the functions that make them were replaced."""

from kb_platform.resources import database_url
from kb_platform.storage.database import Database
from kb_platform.storage.migrate import migrate
from kb_platform.storage.releases import promote
from kb_platform.storage.verify import verify
from kb_platform_tests.storage.made_releases import MadeReleases


def test_what_was_sealed_before_revision_0014_is_what_it_was_and_can_be_promoted(releases: MadeReleases) -> None:
    database = Database(database_url(), "sealed_before", gate_keys=releases.database.gate_keys)
    migrate(database, "0013")
    made = MadeReleases(database)
    made.release({"a": "one a", "b": "one b", "c": "one c"})
    made.release({"a": "two a", "b": None, "d": "two d"})
    candidate = made.apply({"b": "three b", "c": None, "e": "three e"})
    made.judge(candidate)
    migrate(database)
    promote(database, candidate)  # which hashes again what the candidate has touched
    assert not verify(database).wrong
    made.release({"a": None, "b": "four b"})
    assert not verify(database).wrong
    database.dispose()

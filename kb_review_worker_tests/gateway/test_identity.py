"""Who somebody is: names in a file on one machine only, or a provider; settings that would leave it open are refused."""

import json
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from kb_review_worker.gateway.identity.local import LocalReviewers, ReviewersUnreadable, TooManyTries
from kb_review_worker.gateway.identity.oidc import roles_in
from kb_review_worker.gateway.settings import GatewaySettings

OIDC = {"oidc_issuer": "https://id.example.org", "oidc_client_id": "kb"}


@pytest.mark.parametrize(("settings", "said"), [
    ({}, "expected one of"),
    ({**OIDC, "local_reviewers": "reviewers.json"}, "expected one of"),
    ({"local_reviewers": "reviewers.json", "gateway_host": "0.0.0.0"}, "a local identity is for one machine"),
    ({"local_reviewers": "reviewers.json", "gateway_url": "https://review.example.org"}, None),
    ({"local_reviewers": "reviewers.json", "gateway_url": "http://review.example.org"}, "a local identity is for one machine"),
    ({"oidc_issuer": "https://id.example.org"}, "KB_REVIEW_OIDC_CLIENT_ID"),
    ({**OIDC, "oidc_issuer": "http://id.example.org"}, "expected https://"),
    ({**OIDC, "gateway_host": "::"}, "expected the https:// URL"),
    ({**OIDC, "gateway_host": "0.0.0.0", "gateway_url": "http://review.example.org"}, "expected the https:// URL"),
    ({**OIDC, "gateway_host": "0.0.0.0", "gateway_url": "https://review.example.org"}, ""),
    ({**OIDC, "webhook_secrets": "c2hvcnQ="}, "secret 1: expected the base64"),
])
def test_settings_that_would_leave_the_gateway_open_are_refused(settings: dict[str, str], said: str | None) -> None:
    if said == "":
        assert GatewaySettings(**settings).url == "https://review.example.org"
        return
    with pytest.raises(ValidationError, match=said or "a local identity is for one machine"):
        GatewaySettings(**settings)


def test_the_file_of_reviewers_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "reviewers.json"
    LocalReviewers(path).ensure()
    first = path.read_bytes()
    LocalReviewers(path).ensure()
    assert path.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in tmp_path.iterdir()] == ["reviewers.json"]
    made = json.loads(first)["reviewers"][0]
    assert LocalReviewers(path).check(made["id"], made["passphrase"])


@pytest.mark.parametrize("content", ["", "[]", '{"reviewers": []}', '{"reviewers": [{"id": "a b", "roles": ["x"], "passphrase": "long-enough-one"}]}',
                                     '{"reviewers": [{"id": "a", "roles": ["x"], "passphrase": "short"}]}'])
def test_a_file_that_is_none_is_named_and_quotes_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "reviewers.json"
    path.write_text(content)
    with pytest.raises(ReviewersUnreadable, match="reviewers.json") as caught:
        LocalReviewers(path).ensure()
    assert "short" not in str(caught.value).replace("should", "")


def test_a_name_that_fails_too_often_waits_also_with_the_right_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "reviewers.json"
    path.write_text('{"reviewers": [{"id": "a", "roles": ["x"], "passphrase": "long-enough-one"}]}')
    local = LocalReviewers(path)
    assert local.check("a", "long-enough-one")
    for _ in range(5):
        assert local.check("a", "wrong") is None
    with pytest.raises(TooManyTries):
        local.check("a", "long-enough-one")


def test_roles_are_found_where_providers_put_them() -> None:
    assert roles_in({"roles": ["a", "b"]}, "roles") == ("a", "b")
    assert roles_in({"realm_access": {"roles": ["a"]}}, "realm_access.roles") == ("a",)
    assert roles_in({"https://example.org/roles": "a b"}, "https://example.org/roles") == ("a", "b")
    assert roles_in({"realm_access": "a"}, "realm_access.roles") == roles_in({"roles": 7}, "roles") == ()

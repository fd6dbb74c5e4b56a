"""The review gateway's REST interface, as a person uses it: find the review of a case, read it, decide it.

Who asks is the gateway's to say: from a token of the identity provider, or a name and passphrase of the embedded default. It records
what is read, decided and refused.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from kb_platform.knowledge.errors import StateError, TransientError, in_a_word

TIMEOUT, PATIENCE, POLL = 30.0, 60.0, 0.2  # seconds
Login = httpx.BasicAuth | str


class ReviewGateway:
    """One gateway, as one person."""

    def __init__(self, http: httpx.Client, login: Login) -> None:
        self._http = http
        self._as: dict[str, Any] = {"headers": {"Authorization": f"Bearer {login}"}} if isinstance(login, str) else {"auth": login}

    def cases(self, knowledge_base: str, **filters: str | int) -> list[dict[str, Any]]:
        """Return a page of the cases that this person may see, as the gateway lists them."""
        return self._answer("GET", "/cases", params={"knowledge_base": knowledge_base} | filters)["cases"]

    def review_of(self, knowledge_base: str, case: int) -> dict[str, Any]:
        """Return the newest review of a case, with all that a reviewer reads.

        Raises:
            StateError: this person sees none.
        """
        found = self.cases(knowledge_base, case=case, status="all")
        if not found:
            raise StateError(f"no review of case {case} for you", where=knowledge_base, expected="a case that was handed over to a role of yours",
                             action=f"`kb review list {knowledge_base}` says what waits to be handed over")
        return self.read(found[0]["id"])

    def read(self, task: int) -> dict[str, Any]:
        """Return a review by the gateway's number."""
        return self._answer("GET", f"/cases/{task}")

    def decide(self, review: Mapping[str, Any], verdict: str, digest: str, reason: str) -> dict[str, Any]:
        """Decide about exactly the content of a digest; return the receipt. The same decision again gets the same receipt.

        Raises:
            StateError: refused, with the gateway's reason.
            TransientError: the review did not answer in time. The decision is kept, and delivered as soon as it does.
        """
        key = hashlib.sha256("\0".join((review["review"], verdict, digest, reason)).encode()).hexdigest()
        said = {"verdict": verdict, "digest": digest, "reason": reason}
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self._answer("POST", f"/cases/{review['id']}/decision", json=said, headers={"Idempotency-Key": key})
            if answer["receipt"]:
                return answer["receipt"]
            time.sleep(POLL)
        raise TransientError("the review has not answered yet; the decision is kept and will be delivered", where=review["review"],
                             action="give the same command again to see its receipt")

    def _answer(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        headers = self._as.get("headers", {}) | request.pop("headers", {})
        try:
            answer = self._http.request(method, f"/api/v1{path}", auth=self._as.get("auth"), headers=headers, **request)
        except httpx.HTTPError as error:
            raise TransientError(f"the review gateway does not answer ({in_a_word(error)})", where=str(self._http.base_url),
                                 action="start it with `kb up`, or check KB_REVIEW_GATEWAY_URL") from error
        if answer.is_success:
            return answer.json()
        raise _refusal(answer, str(self._http.base_url))


@contextmanager
def review_gateway(url: str, login: Login) -> Iterator[ReviewGateway]:
    """Yield a gateway, spoken to without the proxies of this machine: a name and passphrase are not for them."""
    with httpx.Client(base_url=url.rstrip("/"), timeout=TIMEOUT, trust_env=False) as http:
        yield ReviewGateway(http, login)


def _refusal(answer: httpx.Response, where: str) -> Exception:
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    said = answer.json() if is_problem else {"title": f"it answered {answer.status_code}", "detail": "expected the review gateway's REST interface"}
    words = ": ".join(part for part in (said["title"], said.get("detail", "")) if part)
    kind = TransientError if answer.status_code in {429, 502, 503, 504} else StateError
    return kind(words, where=where)

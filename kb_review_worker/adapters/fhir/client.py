"""FHIR over HTTP: reads, searches, creates once, updates only what was read.

What an answer is worth:

    what came back                          becomes          tried again
    no connection, reset, no answer         EhrUnavailable   yes
    408, 425, 429, 5xx                      EhrUnavailable   yes, as Retry-After says if it does
    401, 403, with a fresh token too        EhrAuth          yes: an operator repairs credentials, and no task is lost meanwhile
    409, 412 to an update                   StaleVersion     at once, on the newer version (tasks.py)
    any other 3xx or 4xx, no FHIR at all    EhrRejected      no

Messages name method, type and status, never an id or a body: Temporal keeps them.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
from temporalio.exceptions import ApplicationError

from kb_review_worker.adapters.fhir.tokens import ClientCredentials
from kb_review_worker.adapters.retry_headers import retry_after

Resource = dict[str, Any]
JSON = "application/fhir+json"
PASSING = frozenset({408, 425, 429})
TIMEOUT = httpx.Timeout(10.0)  # an attempt of an activity has 30


class StaleVersion(Exception):
    """The resource was changed since it was read."""


class FhirClient:
    """One FHIR server. `http` has its base URL, and is closed by whoever opened it."""

    def __init__(self, http: httpx.AsyncClient, tokens: ClientCredentials | None) -> None:
        self._http, self._tokens = http, tokens
        self.base = str(http.base_url).rstrip("/")

    async def read(self, kind: str, id_: str) -> Resource | None:
        """Return a resource; None if there is none (any more)."""
        answer = await self._send("GET", f"{kind}/{quote(id_, safe='')}", absent_is_fine=True)
        return None if answer is None else _resource(answer, kind)

    async def search(self, kind: str, **criteria: str) -> list[Resource]:
        """Return the resources on the first page of what is found."""
        answer = await self._send("GET", kind, params=criteria)
        bundle = _resource(answer, "Bundle") if answer else {}
        found = [entry.get("resource", {}) for entry in bundle.get("entry", [])]
        return [each for each in found if each.get("resourceType") == kind]

    async def create(self, resource: Resource, *, unless: str) -> Resource:
        """Create a resource unless one is found by that search, and return the one there is.

        The standard lets a server answer 200 or 201 without a body: then the search itself finds it.
        """
        kind = resource["resourceType"]
        answer = await self._send("POST", kind, body=resource, headers={"If-None-Exist": unless, "Prefer": "return=representation"})
        assert answer is not None
        if answer.content:
            made = _resource(answer, kind, "OperationOutcome")
            if made["resourceType"] == kind and made.get("id"):
                return made
        found = await self.search(kind, **dict(part.split("=", 1) for part in unless.split("&")))
        if len(found) != 1:
            raise rejected(f"POST {kind}: {len(found)} found of what was just made")
        return found[0]

    async def update(self, resource: Resource) -> None:
        """Write a resource in place of the version that was read.

        Raises:
            StaleVersion: another version has taken its place.
        """
        kind, version = resource["resourceType"], resource.get("meta", {}).get("versionId")
        if not version:
            raise rejected(f"{kind}: the server keeps no versions, so that an update could undo another's")
        await self._send("PUT", f"{kind}/{quote(resource['id'], safe='')}", body=resource, headers={"If-Match": f'W/"{version}"'})

    async def _send(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Resource | None = None,
                    headers: Mapping[str, str] | None = None, absent_is_fine: bool = False) -> httpx.Response | None:
        answer = await self._attempt(method, path, params, body, headers or {})
        if answer.status_code == 401 and self._tokens:  # the token may have been revoked before its time
            self._tokens.forget()
            answer = await self._attempt(method, path, params, body, headers or {})
        if absent_is_fine and answer.status_code in {404, 410}:
            return None
        _check(answer, f"{method} {path.split('/', maxsplit=1)[0]}", is_update=method == "PUT")
        return answer

    async def _attempt(self, method: str, path: str, params: Mapping[str, str] | None, body: Resource | None,
                       headers: Mapping[str, str]) -> httpx.Response:
        sent = {"Accept": JSON, **headers}
        if self._tokens:
            sent["Authorization"] = f"Bearer {await self._tokens.token()}"
        if body is not None:
            sent["Content-Type"] = JSON
        try:
            return await self._http.request(method, path, params=params, json=body, headers=sent)
        except httpx.HTTPError as error:
            raise unavailable(f"{method} {path.split('/', maxsplit=1)[0]}: {type(error).__name__}") from None


def unavailable(found: str, answer: httpx.Response | None = None) -> ApplicationError:
    """Return the failure that passes."""
    return ApplicationError(found, type="EhrUnavailable", next_retry_delay=retry_after(answer.headers) if answer else None)


def rejected(found: str) -> ApplicationError:
    """Return the failure that the same request meets again."""
    return ApplicationError(found, type="EhrRejected", non_retryable=True)


def _check(answer: httpx.Response, what: str, *, is_update: bool) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if is_update and status in {409, 412}:
        raise StaleVersion
    if status in {401, 403}:
        raise ApplicationError(f"{what}: {status}; check KB_REVIEW_FHIR_CLIENT_ID, _CLIENT_SECRET and _SCOPE", type="EhrAuth")
    if status in PASSING or status >= 500:
        raise unavailable(f"{what}: {status}", answer)
    raise rejected(f"{what}: {status}")


def _resource(answer: httpx.Response, *kinds: str) -> Resource:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("resourceType") not in kinds:
        raise rejected(f"the answer is no FHIR {' or '.join(kinds)}: check KB_REVIEW_FHIR_URL")
    return found

"""The worker's own credentials at the EHR: OAuth 2.0 client credentials (RFC 6749, 4.4), one token for all who ask at once."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import httpx
from temporalio.exceptions import ApplicationError

SPARE = 30.0  # seconds before a token's end at which it is not used any more; of a short-lived one, half of its life
UNSAID = 60.0  # the life of a token whose server does not say it


@dataclass(frozen=True)
class Client:
    """Who asks for tokens, and where."""

    url: str
    id: str
    secret: str = field(repr=False)
    scope: str = ""


class ClientCredentials:
    """Keeps a token until shortly before its end, or until it is refused."""

    def __init__(self, http: httpx.AsyncClient, client: Client) -> None:
        self._http, self._client = http, client
        self._token, self._until = "", 0.0
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str:
        """Return a token.

        Raises:
            ApplicationError: of type EhrAuth or EhrUnavailable; both are worth another attempt.
        """
        async with self._one_at_a_time:
            if time.monotonic() >= self._until:
                self._token, self._until = await self._fetch()
            return self._token

    def forget(self) -> None:
        """Take a new token next time: this one was refused."""
        self._until = 0.0

    async def _fetch(self) -> tuple[str, float]:
        now = time.monotonic()
        form = {"grant_type": "client_credentials"} | ({"scope": self._client.scope} if self._client.scope else {})
        login = httpx.BasicAuth(quote_plus(self._client.id), quote_plus(self._client.secret))  # encoded as RFC 6749, 2.3.1 asks
        try:
            answer = await self._http.post(self._client.url, data=form, auth=login, headers={"Accept": "application/json"})
        except httpx.HTTPError as error:
            raise ApplicationError(f"the token endpoint: {type(error).__name__}", type="EhrUnavailable") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise ApplicationError(f"the token endpoint: {answer.status_code}", type="EhrUnavailable")
        token, life = _read(answer)
        return token, now + life - min(SPARE, life / 2)


def _read(answer: httpx.Response) -> tuple[str, float]:
    try:
        said = answer.json() if answer.is_success else {}
        token, kind, life = said["access_token"], said.get("token_type", "bearer"), float(said.get("expires_in", UNSAID))
    except (ValueError, KeyError, TypeError):
        token, kind, life = "", "", 0.0
    if not isinstance(token, str) or not token or str(kind).lower() != "bearer":
        raise ApplicationError(f"the token endpoint: {answer.status_code}, and no bearer token; check KB_REVIEW_FHIR_TOKEN_URL, _CLIENT_ID and "
                               "_CLIENT_SECRET", type="EhrAuth")
    return token, life

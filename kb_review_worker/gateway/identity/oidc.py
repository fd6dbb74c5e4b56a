"""Sign-in with any OpenID Connect provider: authorization code flow with PKCE (RFC 7636), and access tokens for the REST interface.

To sign, a reviewer signs in again (`prompt=login`, `max_age=0`), and the provider must say in `auth_time` that they just did: a
provider that leaves it out cannot be used to sign (OpenID Connect Core 1.0, 3.1.2.1).
"""

import base64
import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt

from kb_contracts.decisions import Reviewer
from kb_review_worker.gateway.identity.keys import Provider, ProviderSilent
from kb_review_worker.storage.sessions import SignIn

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
LEEWAY = 30  # seconds between clocks
FRESH = dt.timedelta(seconds=5)  # that a fresh sign-in may seem older than the draft it signs, as clocks differ


class TokenRefused(Exception):
    """A token that proves nothing: why, in a few words, without the token."""


@dataclass(frozen=True)
class Registration:
    """How the gateway is known at the provider."""

    issuer: str
    client_id: str
    redirect_uri: str
    secret: str | None = field(default=None, repr=False)
    scope: str = "openid profile"
    roles_claim: str = "roles"
    audience: str | None = None


@dataclass(frozen=True)
class Login:
    """Somebody who has signed in."""

    person: Reviewer
    authenticated_at: dt.datetime | None


class Oidc:
    """One provider. `http` is closed by whoever opened it."""

    def __init__(self, http: httpx.AsyncClient, registration: Registration) -> None:
        self._http, self._registration = http, registration
        self._provider = Provider(http, registration.issuer)

    async def leave(self, return_to: str, *, again: bool, draft_id: str | None = None) -> tuple[str, str, SignIn]:
        """Return where to send the browser, the state that it comes back with, and what to keep until then.

        Raises:
            ProviderSilent: the provider does not answer.
        """
        known = await self._provider.metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"response_type": "code", "client_id": self._registration.client_id, "redirect_uri": self._registration.redirect_uri,
                 "scope": self._registration.scope, "state": state, "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256"}
        if again:
            asked |= {"prompt": "login", "max_age": "0"}
        joint = "&" if "?" in known["authorization_endpoint"] else "?"
        return f"{known['authorization_endpoint']}{joint}{urlencode(asked)}", state, SignIn(nonce, verifier, return_to, draft_id)

    async def arrive(self, code: str, sign_in: SignIn) -> Login:
        """Return who has signed in, for the code that the browser brought.

        Raises:
            TokenRefused: the code or what came for it is not what was asked for.
            ProviderSilent: the provider does not answer.
        """
        known, own = await self._provider.metadata(), self._registration
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": own.redirect_uri, "code_verifier": sign_in.verifier}
        login = httpx.BasicAuth(own.client_id, own.secret) if own.secret else None
        if login is None:
            form["client_id"] = own.client_id
        try:
            answer = await self._http.post(known["token_endpoint"], data=form, auth=login or httpx.USE_CLIENT_DEFAULT)
            token = answer.json().get("id_token") if answer.is_success else None
        except (httpx.HTTPError, ValueError, AttributeError) as error:
            raise ProviderSilent(f"the token endpoint: {type(error).__name__}") from None
        if not isinstance(token, str):
            raise TokenRefused(f"the token endpoint answered {answer.status_code}, without an id_token")
        claims = await self._claims(token, own.client_id, ["exp", "iat", "sub", "nonce"])
        if not secrets.compare_digest(str(claims["nonce"]).encode(), sign_in.nonce.encode()):
            raise TokenRefused("the id_token is of another sign-in")
        if claims.get("azp", own.client_id) != own.client_id:
            raise TokenRefused("the id_token was made for another client")
        at = claims.get("auth_time")
        return Login(self._person(claims), dt.datetime.fromtimestamp(at, dt.UTC) if isinstance(at, int | float) else None)

    async def bearer(self, token: str) -> Reviewer:
        """Return whose access token it is.

        Raises:
            TokenRefused: it proves nothing.
            ProviderSilent: its keys cannot be had.
        """
        if self._registration.audience is None:
            raise TokenRefused("the REST interface takes no tokens: KB_REVIEW_OIDC_AUDIENCE is unset")
        return self._person(await self._claims(token, self._registration.audience, ["exp", "iat", "sub"]))

    async def _claims(self, token: str, audience: str, required: list[str]) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._provider.key(header.get("kid"))
            if key is None or header.get("alg") not in ALGORITHMS:
                raise TokenRefused("signed with a key or an algorithm that is not the issuer's")
            return jwt.decode(token, key, algorithms=[str(header["alg"])], audience=audience, issuer=self._registration.issuer, leeway=LEEWAY,
                              options={"require": required})
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise TokenRefused(type(error).__name__) from None

    def _person(self, claims: dict[str, Any]) -> Reviewer:
        name = next((str(claims[key]) for key in ("name", "preferred_username") if claims.get(key)), "")
        token_id = claims.get("jti") or claims.get("sid") or ""
        try:
            return Reviewer(id=str(claims["sub"]), issuer=self._registration.issuer, name=name[:255], token_id=str(token_id)[:255],
                            roles=roles_in(claims, self._registration.roles_claim))
        except ValueError:
            raise TokenRefused("its subject is empty or too long") from None


def is_fresh(login: Login, since: dt.datetime) -> bool:
    """Tell whether somebody has signed in since a time."""
    return login.authenticated_at is not None and login.authenticated_at >= since.replace(microsecond=0) - FRESH


def roles_in(claims: dict[str, Any], path: str) -> tuple[str, ...]:
    """Return the roles of a claim: a list, or words in one text. A name with dots is tried as it is first."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    words = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(str(each) for each in words if isinstance(each, str))

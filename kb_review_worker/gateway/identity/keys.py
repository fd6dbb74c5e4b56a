"""What a provider says of itself, and its keys: kept for an hour, and read again early when a token names a key that is not among them."""

import time
from typing import Any

import httpx
import jwt

KEPT, NOT_SOONER = 3600.0, 30.0  # seconds
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderSilent(Exception):
    """The provider does not answer, or not as it should."""


class Provider:
    """The provider behind an issuer (OpenID Connect Discovery 1.0)."""

    def __init__(self, http: httpx.AsyncClient, issuer: str) -> None:
        self._http, self._issuer = http, issuer
        self._metadata: dict[str, str] = {}
        self._keys: dict[str | None, Any] = {}
        self._read_at = {"metadata": float("-inf"), "keys": float("-inf")}

    async def metadata(self) -> dict[str, str]:
        """Return the provider's addresses."""
        if time.monotonic() - self._read_at["metadata"] > KEPT:
            found = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self._issuer or not all(isinstance(found.get(name), str) for name in NEEDED):
                raise ProviderSilent("its configuration names another issuer, or lacks an address: check KB_REVIEW_OIDC_ISSUER")
            self._metadata, self._read_at["metadata"] = found, time.monotonic()
        return self._metadata

    async def key(self, key_id: str | None) -> Any:
        """Return the key of an id; None if the provider has none."""
        age = time.monotonic() - self._read_at["keys"]
        if age > KEPT or (key_id not in self._keys and age > NOT_SOONER):
            found = await self._get((await self.metadata())["jwks_uri"])
            self._read_at["keys"] = time.monotonic()
            try:
                keys = [key for key in jwt.PyJWKSet.from_dict(found).keys if key.public_key_use in {None, "sig"}]
            except jwt.PyJWTError as error:
                raise ProviderSilent(f"its keys cannot be read ({type(error).__name__})") from None
            self._keys = {key.key_id: key.key for key in keys}
        return self._keys.get(key_id)

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._http.get(url)
            found = answer.json() if answer.is_success else None
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderSilent(f"{type(error).__name__} at its configuration or keys") from None
        if not isinstance(found, dict):
            raise ProviderSilent(f"{answer.status_code} at its configuration or keys")
        return found

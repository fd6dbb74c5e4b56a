"""Who sends a request to the REST interface."""

import base64
import binascii
from dataclasses import dataclass

from kb_contracts.decisions import Reviewer
from kb_review_worker.gateway.identity.local import LocalReviewers, TooManyTries
from kb_review_worker.gateway.identity.oidc import Oidc, TokenRefused


@dataclass(frozen=True)
class Identity:
    """The one identity of a gateway: a provider, or a file on this machine."""

    oidc: Oidc | None
    local: LocalReviewers | None
    issuer: str

    async def of_token(self, token: str) -> Reviewer:
        """Return whose access token it is.

        Raises:
            TokenRefused: nobody's.
            ProviderSilent: the provider's keys cannot be had.
        """
        if self.oidc is None:
            raise TokenRefused("a local identity has no tokens: use HTTP Basic")
        return await self.oidc.bearer(token)

    async def of_header(self, authorization: str) -> Reviewer:
        """Return who an Authorization header belongs to: a bearer token, or name and passphrase of a local identity.

        Raises:
            TokenRefused: to nobody.
            ProviderSilent: the provider's keys cannot be had.
        """
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer" and value:
            return await self.of_token(value.strip())
        if scheme.lower() == "basic" and self.local:
            try:
                name, _, passphrase = base64.b64decode(value, validate=True).decode().partition(":")
                person = self.local.check(name, passphrase)
            except (binascii.Error, UnicodeDecodeError):
                person = None
            except TooManyTries:
                raise TokenRefused("too many failures: wait half a minute") from None
            if person:
                return person
            raise TokenRefused("no such name and passphrase")
        raise TokenRefused("no credentials")

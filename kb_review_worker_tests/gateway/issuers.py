"""An issuer of access tokens on a socket: its configuration, its keys, and tokens as good or as forged as a test asks for."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kb_review_worker_tests.fhir.ehr import served

AUDIENCE = "kb-review-api"


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """One issuer with one key, and a stranger's key that is not published."""

    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=_new_key)
    strangers: rsa.RSAPrivateKey = field(default_factory=_new_key)

    def answer(self, request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, dict[str, str], bytes]:
        """Answer with the configuration or the keys."""
        if request.path == "/.well-known/openid-configuration":
            said: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", "authorization_endpoint": f"{self.url}/authorize",
                                    "token_endpoint": f"{self.url}/token"}
        else:
            public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            said = {"keys": [public | {"kid": "k1", "use": "sig", "alg": "RS256"}]}
        return 200, {"content-type": "application/json"}, json.dumps(said).encode()

    def token(self, who: str, *roles: str, issuer: str = "", audience: str = AUDIENCE, expires_in: int = 300, key: str = "", algorithm: str = "RS256") -> str:
        """Return an access token."""
        now = int(time.time())
        claims = {"sub": who, "iss": issuer or self.url, "aud": audience, "iat": now, "exp": now + expires_in, "roles": list(roles), "jti": f"{who}-{now}"}
        if algorithm == "HS256":
            return self._confused(claims)
        secret = None if algorithm == "none" else self.strangers if key else self.key
        return jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": "k1"})

    def _confused(self, claims: dict[str, Any]) -> str:
        """Return a token signed with the public key, for a verifier that lets the token choose its algorithm."""
        public = self.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256", "kid": "k1"}, claims)]
        signature = hmac.digest(public, b".".join(parts), "sha256")
        return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Yield a running issuer."""
    issuer = Issuer()
    server = served(issuer.answer)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()

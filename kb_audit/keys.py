"""The key that seals the trail, and its public half.

Ed25519 (RFC 8032). Who seals holds the private key; who verifies needs the public one only, and so cannot forge what is verified.
Keys have ids: a new one takes over, and the old public keys stay known.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kb_contracts.keys import read_keys


@dataclass(frozen=True)
class SealingKey:
    """A private key with its id. Its text, `id:base64`, is a secret."""

    id: str
    key: Ed25519PrivateKey

    def sign(self, message: bytes) -> bytes:
        """Return a signature."""
        return self.key.sign(message)

    @property
    def public(self) -> str:
        """Return the public key's text."""
        return f"{self.id}:{base64.b64encode(self.key.public_key().public_bytes_raw()).decode()}"

    @property
    def secret(self) -> str:
        """Return the private key's text."""
        return f"{self.id}:{base64.b64encode(self.key.private_bytes_raw()).decode()}"


class PublicKeys:
    """The public keys that are known, by their ids."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: Ed25519PublicKey.from_public_bytes(key) for name, key in keys.items()}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._keys)

    def knows(self, key_id: str) -> bool:
        """Tell whether the key of that id is among them."""
        return key_id in self._keys

    def confirms(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Tell whether the key of that id signed the message."""
        try:
            self._keys[key_id].verify(signature, message)
        except InvalidSignature:
            return False
        return True


def new_key(key_id: str) -> SealingKey:
    """Return a new key."""
    if not key_id.isascii() or not key_id.isprintable() or not key_id or set(key_id) & set(":, "):
        raise ValueError(f"{key_id!r} is no id of a key: expected letters, digits and dashes, such as 2026a")
    return SealingKey(key_id, Ed25519PrivateKey.generate())


def read_sealing_key(text: str) -> SealingKey:
    """Return the private key that a setting holds. Messages quote no key."""
    keys = read_keys(text)
    if len(keys) != 1:
        raise ValueError("expected one key, `id:base64`, as `kb audit new-key` prints it")
    ((name, key),) = keys.items()
    return SealingKey(name, Ed25519PrivateKey.from_private_bytes(key))


def read_public_keys(text: str) -> PublicKeys:
    """Return the public keys that a setting holds: `id:base64`, separated by commas."""
    return PublicKeys(read_keys(text) if text.strip() else {})

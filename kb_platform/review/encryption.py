"""Payloads as the review worker reads and writes them: pydantic's JSON, AES-256-GCM where there are keys.

The format is the worker's (kb_review_worker/encryption); a test holds both against each other. The two share no code on purpose:
the platform does without the worker's package, and the wire (kb_contracts) without cryptography.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from kb_platform.knowledge.errors import ConfigError

ENCODING = b"binary/encrypted"
NONCE_BYTES = 12


class AesGcmCodec(PayloadCodec):
    """Encrypts with the first key, decrypts with whichever a payload names; the key's id is bound as associated data."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name.encode(): AESGCM(key) for name, key in keys.items()}
        self._current = next(iter(self._keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads encrypted."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads decrypted; one that was never encrypted stays as it is.

        Raises:
            ConfigError: its key is not at hand, or it was changed.
        """
        return [self._decrypt(payload) if payload.metadata.get("encoding") == ENCODING else payload for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._keys[self._current].encrypt(nonce, payload.SerializeToString(), self._current)
        return Payload(metadata={"encoding": ENCODING, "key-id": self._current}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        key_id = payload.metadata.get("key-id", b"")
        key = self._keys.get(key_id)
        try:
            if key is not None:
                return Payload.FromString(key.decrypt(payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:], key_id))
        except InvalidTag:
            pass
        raise ConfigError(f"Temporal holds a payload of key {key_id.decode(errors='replace')!r} that does not open",
                          expected="the keys of the review worker", action="set KB_REVIEW_KEYS as the worker has it")


def data_converter(keys: Mapping[str, bytes] | None) -> DataConverter:
    """Return how messages are written."""
    if not keys:
        return DataConverter(payload_converter_class=PydanticPayloadConverter)
    return DataConverter(
        payload_converter_class=PydanticPayloadConverter, payload_codec=AesGcmCodec(keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )

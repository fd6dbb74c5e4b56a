"""Payloads as ciphertext: what Temporal stores of inputs, results, updates, notes and failures says nothing without the keys.

AES-256-GCM (NIST SP 800-38D) with a fresh random 96-bit nonce for each payload; the id of the key is bound as associated data. A key
should not encrypt more than 2^32 payloads (ibid., 8.3): rotate long before. Ids, search attributes and identities stay readable,
which is why they carry nothing of a case.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

ENCODING = b"binary/encrypted"
NONCE_BYTES = 12


class UnreadablePayload(Exception):
    """A payload that the keys at hand do not open."""


class AesGcmCodec(PayloadCodec):
    """Encrypts with the first key, decrypts with whichever a payload names."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._current = next(iter(keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads encrypted."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads decrypted; one that was never encrypted stays as it is.

        Raises:
            UnreadablePayload: its key is not at hand, or it was changed.
        """
        return [self._decrypt(payload) if payload.metadata.get("encoding") == ENCODING else payload for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce, key_id = os.urandom(NONCE_BYTES), self._current.encode()
        sealed = self._keys[self._current].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING, "key-id": key_id}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        key_id = payload.metadata.get("key-id", b"")
        key = self._keys.get(key_id.decode(errors="replace"))
        if key is None:
            raise UnreadablePayload(f"a payload of key {key_id!r}; known are {', '.join(self._keys)}: add it to KB_REVIEW_KEYS")
        try:
            return Payload.FromString(key.decrypt(payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:], key_id))
        except InvalidTag:
            raise UnreadablePayload(f"a payload of key {key_id!r} that was changed, or encrypted with another key of that id") from None


def data_converter(keys: Mapping[str, bytes] | None) -> DataConverter:
    """Return how clients and workers write messages: as pydantic's JSON, encrypted where there are keys."""
    if not keys:
        return DataConverter(payload_converter_class=PydanticPayloadConverter)
    return DataConverter(
        payload_converter_class=PydanticPayloadConverter, payload_codec=AesGcmCodec(keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )

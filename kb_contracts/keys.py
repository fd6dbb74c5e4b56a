"""Keys as settings hold them: `id:base64`, several separated by commas."""

import base64
import binascii

KEY_BYTES = 32


def read_keys(text: str) -> dict[str, bytes]:
    """Return the keys by their ids, in their order.

    Raises:
        ValueError: one of them is none. The message quotes no key.
    """
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), 1):
        name, _, value = part.strip().partition(":")
        try:
            key = base64.b64decode(value, validate=True)
        except binascii.Error:
            key = b""
        if not name or name in keys or len(key) != KEY_BYTES:
            raise ValueError(f"key {number}: expected `id:base64` with an id of its own and the base64 of {KEY_BYTES} bytes")
        keys[name] = key
    return keys

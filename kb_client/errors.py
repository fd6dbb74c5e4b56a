"""What can go wrong.

KbClientError
|-- Refused           the request cannot be answered, and will not be when it is sent again: status, code, title, detail
|   |-- Unauthorized  no key that holds
|   |-- Forbidden     the key has no such grant
|   `-- NotFound      no such knowledge base, release, document or chunk
|-- Busy              too much to do, or too many questions of this key: `retry_after` seconds
|-- Unreachable       no server answers, or the connection broke
`-- UnexpectedAnswer  the server failed, or what answers is no search API of this version
"""


class KbClientError(Exception):
    """Anything that this client raises."""


class Refused(KbClientError):
    """The request cannot be answered."""

    def __init__(self, status: int, code: str, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail} ({status} {code})" if detail else f"{title} ({status} {code})")
        self.status, self.code, self.title, self.detail = status, code, title, detail


class Unauthorized(Refused):
    """No key, or none that holds."""


class Forbidden(Refused):
    """The key has no such grant."""


class NotFound(Refused):
    """No such knowledge base, release, document or chunk."""


class Busy(KbClientError):
    """The server asks to come back later."""

    def __init__(self, title: str, detail: str, retry_after: float | None) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.retry_after = retry_after


class Unreachable(KbClientError):
    """No server answers."""


class UnexpectedAnswer(KbClientError):
    """The server failed, or it is another one."""

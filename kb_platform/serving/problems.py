"""What goes wrong is told as problem+json (RFC 9457), with a `code` for programs; never more than was sent, and nothing of a database's own words."""

import math
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from kb_platform.knowledge.errors import ConfigError, KbError, StateError, TransientError
from kb_platform.knowledge.wrong_values import in_words

CODES = {400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "invalid", 413: "too_large", 415: "invalid", 422: "invalid"}
AGAIN = {"Retry-After": "1"}
LONGEST = 500  # characters of a detail


class Problem(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, code: str, title: str, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(title)
        self.status, self.code, self.title, self.detail, self.headers = status, code, title, detail, headers or {}


def busy(detail: str, wait: float = 1.0) -> Problem:
    """Return that the server has too much to do."""
    return Problem(503, "busy", "Too much to do", detail, headers={"Retry-After": str(math.ceil(wait))})


def of_exception(error: Exception) -> Problem:
    """Return what an exception is to whoever asked."""
    match error:
        case Problem():
            found = error
        case RequestValidationError():
            first = error.errors()[0]
            found = Problem(422, "invalid", "Not understood", f"{'.'.join(str(part) for part in first['loc'])}: {in_words(first)}")
        case HTTPException():
            found = Problem(error.status_code, CODES.get(error.status_code, "invalid"), str(error.detail), headers=dict(error.headers or {}))
        case StateError():
            found = Problem(404, "unknown_release", "This release cannot be read", error.found)
        case TransientError():
            found = Problem(503, "unavailable", "The database does not answer", headers=AGAIN)
        case ConfigError():
            found = Problem(503, "misconfigured", "This knowledge base cannot be served", "why is in the server's log", headers={"Retry-After": "30"})
        case KbError():
            found = Problem(503, "unavailable", "Not available", "why is in the server's log", headers=AGAIN)
        case _:
            found = Problem(500, "error", "An error of the server", "it is in the server's log")
    return found


def problem_json(problem: Problem) -> JSONResponse:
    """Return a problem as an answer. Half characters, which JSON may hold and UTF-8 not, become question marks."""
    body: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status, "code": problem.code,
                            "detail": problem.detail[:LONGEST].encode(errors="replace").decode()}
    return JSONResponse(body, problem.status, headers=problem.headers, media_type="application/problem+json")

"""What goes wrong is told to programs as problem+json (RFC 9457), and to people as a page."""

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from temporalio.exceptions import ApplicationError

from kb_review_worker.gateway.answers import Answer
from kb_review_worker.gateway.guard import LARGEST_BODY, TooLarge
from kb_review_worker.gateway.identity.keys import ProviderSilent
from kb_review_worker.gateway.identity.local import ReviewersUnreadable

MACHINES = ("/api/", "/webhooks/")


class Problem(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, title: str, detail: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.headers, self.more = status, title, detail, headers or {}, more


def of_refusal(answer: Answer) -> Problem:
    """Return a refusal; of a race that was lost, it says to whom and when."""
    more: dict[str, Any] = {"refusal": answer.refusal}
    if answer.ending:
        more |= {"ended_as": answer.ending.status, "ended_at": answer.ending.at.isoformat() if answer.ending.at else None, "decided_by": answer.ending.by}
    return Problem(answer.status_code, answer.title, answer.message, **more)


def of_exception(error: Exception) -> Problem:
    """Return what an exception is to whoever asked: never more than they sent."""
    match error:
        case Problem():
            found = error
        case RequestValidationError():
            first = error.errors()[0]
            found = Problem(422, "Not understood", f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
        case HTTPException():
            found = Problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))
        case TooLarge():
            found = Problem(413, "Too large", f"at most {LARGEST_BODY} bytes")
        case ProviderSilent():
            found = Problem(503, "The identity provider does not answer", str(error), headers={"Retry-After": "10"})
        case ReviewersUnreadable():
            found = Problem(503, "The file of reviewers cannot be read", "what is wrong with it is in the log")
        case ApplicationError():
            found = Problem(503, "Not available", error.message, headers={"Retry-After": "10"})
        case _:
            found = Problem(500, "An error of the gateway", "it is in the log")
    return found


def is_machine(request: Request) -> bool:
    """Tell whether a program asked."""
    return request.url.path.startswith(MACHINES)


def problem_json(problem: Problem) -> Response:
    """Return a problem for programs."""
    body = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail} | problem.more
    return JSONResponse(body, problem.status, headers=problem.headers, media_type="application/problem+json")

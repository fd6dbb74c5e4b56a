"""Templates, and the few words that they format."""

import datetime as dt
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import HTMLResponse

from kb_contracts.decisions import Verdict
from kb_review_worker.gateway.services import Services
from kb_review_worker.gateway.trail import SIGNATURE
from kb_review_worker.storage.sessions import Session

HERE = Path(__file__).parent
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")  # HTML in a text is shown, never taken as such
VERBS = {Verdict.APPROVE: "Approve", Verdict.REQUEST_CHANGES: "Request changes", Verdict.REJECT: "Reject"}


def words(name: str) -> str:
    """Return a name of the code as people write it."""
    return name.replace("_", " ")


def when(time: dt.datetime | None) -> str:
    """Return a time."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if time else ""


def left(due: dt.datetime | None) -> str:
    """Return how long it is until a time, in its largest unit."""
    if due is None:
        return ""
    seconds = (due - dt.datetime.now(dt.UTC)).total_seconds()
    unit, size = next(((u, s) for u, s in (("d", 86400), ("h", 3600)) if abs(seconds) >= 2 * s), ("min", 60))
    span = f"{abs(seconds) / size:.0f} {unit}"
    return f"in {span}" if seconds >= 0 else f"{span} ago"


def markdown(text: str) -> Markup:
    """Return a text with its headings, lists and tables; its headings come below those of the page."""
    tokens = MARKDOWN.parse(text)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    return Markup(MARKDOWN.renderer.render(tokens, MARKDOWN.options, {}))  # noqa: S704 - made of escaped text


ENVIRONMENT = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
ENVIRONMENT.filters |= {"words": words, "when": when, "left": left, "markdown": markdown}
ENVIRONMENT.globals |= {"VERBS": VERBS, "SIGNATURE": SIGNATURE}


def page(request: Request, name: str, status: int = 200, *, session: Session | None = None, **values: Any) -> HTMLResponse:
    """Return a page."""
    services: Services = request.app.state.services
    shown = {"session": session, "person": session.person if session else None, "is_local": services.identity.local is not None, "refresh": None}
    return HTMLResponse(ENVIRONMENT.get_template(f"{name}.html").render(**shown | values), status)

"""Who is signed in to the pages, what waits for a signature, and sign-ins on their way. Secrets are kept as hashes only."""

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from kb_contracts.decisions import Reviewer, Verdict
from kb_review_worker.storage.database import Database

DRAFT_LIFE = dt.timedelta(minutes=10)
SIGN_IN_LIFE = dt.timedelta(minutes=10)


@dataclass(frozen=True)
class Session:
    """A signed-in person. `hash` is of the cookie's value."""

    hash: bytes
    csrf: str
    person: Reviewer
    authenticated_at: dt.datetime


@dataclass(frozen=True)
class Draft:
    """A decision that its reviewer has not signed yet."""

    id: str
    task_id: int
    verdict: Verdict
    reason: str
    created_at: dt.datetime


@dataclass(frozen=True)
class SignIn:
    """A sign-in on its way to the identity provider. `draft_id`: it is to sign that draft."""

    nonce: str
    verifier: str
    return_to: str
    draft_id: str | None


def hashed(secret: str) -> bytes:
    """Return how a secret is kept."""
    return hashlib.sha256(secret.encode()).digest()


class PostgresSessions:
    """Sessions end `idle` after they were last seen, and `longest` after they began."""

    def __init__(self, database: Database, idle: dt.timedelta, longest: dt.timedelta) -> None:
        self._database, self._idle, self._longest = database, idle, longest

    async def begin(self, person: Reviewer, authenticated_at: dt.datetime) -> str:
        """Return the cookie's value of a new session."""
        cookie = secrets.token_urlsafe(32)
        async with self._database.transaction() as c:
            await c.execute("delete from session where seen_at < now() - %s or created_at < now() - %s", (self._idle, self._longest))
            await c.execute("delete from sign_in where created_at < now() - %s", (SIGN_IN_LIFE,))
            await c.execute("insert into session (session_hash, csrf, person, authenticated_at) values (%s, %s, %s, %s)",
                            (hashed(cookie), secrets.token_urlsafe(32), Jsonb(person.model_dump(mode="json")), authenticated_at))
        return cookie

    async def session(self, cookie: str) -> Session | None:
        """Return the session of a cookie, and note that it was seen."""
        async with self._database.transaction() as c:
            row = await (await c.execute(
                """update session set seen_at = now() where session_hash = %s and seen_at > now() - %s and created_at > now() - %s
                   returning session_hash, csrf, person, authenticated_at""", (hashed(cookie), self._idle, self._longest))).fetchone()
        return Session(row[0], row[1], Reviewer.model_validate(row[2]), row[3]) if row else None

    async def end(self, session: Session) -> None:
        """End a session with its drafts."""
        async with self._database.transaction() as c:
            await c.execute("delete from session where session_hash = %s", (session.hash,))

    async def draft(self, session: Session, task_id: int, verdict: Verdict, reason: str) -> str:
        """Keep a decision to be signed, and return its id."""
        draft_id = secrets.token_urlsafe(16)
        async with self._database.transaction() as c:
            await c.execute("insert into signature_draft (draft_id, session_hash, task_id, verdict, reason) values (%s, %s, %s, %s, %s)",
                            (draft_id, session.hash, task_id, verdict.value, reason))
        return draft_id

    async def drafted(self, session: Session, draft_id: str) -> Draft | None:
        """Return a draft of that session, if it is not too old to be signed."""
        async with self._database.transaction() as c:
            row = await (await c.execute(
                """select draft_id, task_id, verdict, reason, created_at from signature_draft
                   where draft_id = %s and session_hash = %s and created_at > now() - %s""", (draft_id, session.hash, DRAFT_LIFE))).fetchone()
        return Draft(row[0], row[1], Verdict(row[2]), row[3], row[4]) if row else None

    async def leave(self, state: str, browser: str, sign_in: SignIn) -> None:
        """Keep a sign-in until it comes back."""
        async with self._database.transaction() as c:
            await c.execute("insert into sign_in (state_hash, browser_hash, nonce, verifier, return_to, draft_id) values (%s, %s, %s, %s, %s, %s)",
                            (hashed(state), hashed(browser), sign_in.nonce, sign_in.verifier, sign_in.return_to, sign_in.draft_id))

    async def come_back(self, state: str, browser: str) -> SignIn | None:
        """Return a sign-in to the browser that left with it, once."""
        async with self._database.transaction() as c:
            row = await (await c.execute(
                """delete from sign_in where state_hash = %s and browser_hash = %s and created_at > now() - %s
                   returning nonce, verifier, return_to, draft_id""", (hashed(state), hashed(browser), SIGN_IN_LIFE))).fetchone()
        return SignIn(*row) if row else None

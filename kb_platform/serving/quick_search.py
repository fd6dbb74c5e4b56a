"""`kb search` where the home's server runs: the question goes to it, and its answer is printed as the command itself would. Without libraries.

Whatever is not plain - an option that is not there, a server that refuses or does not answer - is left to the command, which does without a server
and says what is wrong.
"""

import http.client
import json
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from kb_platform.quick_settings import quick_settings
from kb_platform.serving.address import Address, find_address
from kb_platform.serving.hits_text import print_hits

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
NUMBER = re.compile(r"[1-9][0-9]{0,9}")
MOST, RELEASES = 1000, 2**31 - 1  # as the command has them
TIMEOUT = 10  # seconds


class Question(NamedTuple):
    """A line that was understood whole."""

    name: str
    text: str
    k: int
    release: int | None
    filters: dict[str, str]
    as_json: bool


def answered(arguments: Sequence[str]) -> bool:
    """Answer `kb search ARGUMENTS` by the home's server and return True, or return False having printed nothing."""
    question = understood(arguments)
    settings = quick_settings()
    address = find_address(settings.home, str(settings.defs), settings.database_url) if question else None
    answer = _ask(address, question) if question and address else None
    if question is None or answer is None:
        return False
    hits, unread = answer["results"][0]["hits"], answer["results"][0]["unread"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]  a terminal of another encoding shows what it can
    if question.as_json:
        print(json.dumps({"knowledge_base": question.name, "release": answer["release"], "query": question.text, "unread": unread, "hits": hits}, ensure_ascii=False))
    else:
        print_hits(hits, str(answer["release"]), unread)
    return True


def understood(arguments: Sequence[str]) -> Question | None:
    """Return what a plain command line asks; None where there is anything in it that the command has to look at."""
    words: list[str] = []
    values: dict[str, list[str]] = {"-k": [], "--release": [], "--filter": []}
    as_json, rest = False, iter(arguments)
    for word in rest:
        option, equals, value = word.partition("=")
        if word == "--json":
            as_json = True
        elif option in values and (equals and option != "-k" or not equals):
            values[option].append(value if equals else next(rest, ""))
        elif word.startswith("-"):
            return None
        else:
            words.append(word)
    return _question(words, values, as_json=as_json)


def _question(words: Sequence[str], values: dict[str, list[str]], *, as_json: bool) -> Question | None:
    k, release = (_number(values[name], most) for name, most in (("-k", MOST), ("--release", RELEASES)))
    pairs = [text.partition("=") for text in values["--filter"]]
    if len(words) != 2 or k == 0 or release == 0 or not all(key and value for key, _, value in pairs):
        return None
    try:
        "".join([*words, *values["--filter"]]).encode()
    except UnicodeEncodeError:
        return None
    name, text = words
    return Question(name, text, k or 5, release, {key: value for key, _, value in pairs}, as_json) if NAME.fullmatch(name) and text.strip() else None


def _number(values: Sequence[str], most: int) -> int | None:
    """Return an option's last value, as click takes it; None where it is not given, 0 where it is none of ours to judge."""
    if not values:
        return None
    return int(values[-1]) if all(NUMBER.fullmatch(value) for value in values) and int(values[-1]) <= most else 0


def _ask(address: Address, question: Question) -> dict[str, Any] | None:
    body = {"question": question.text, "k": question.k, "filters": question.filters, "release": question.release}
    connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT)
    try:
        connection.request("POST", f"/v1/{question.name}/search", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()

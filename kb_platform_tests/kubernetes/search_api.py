"""The search API that the chart runs, asked as an application asks it: by the client, with a key that was made in the code location's pod."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from kb_client import Client
from kb_platform_tests.kubernetes.deployment import Servers

PATIENCE = 120  # seconds; the model is loaded for the first question


@contextmanager
def search_api(started: Servers, *grants: str) -> Iterator[tuple[str, Client]]:
    """Yield the API's address, and a client whose key has these grants."""
    (code,), (api,) = (started.space.pods(f"app.kubernetes.io/component={part}") for part in ("code", "search-api"))
    asked = [word for grant in grants for word in ("--grant", grant)]
    made = started.space.run(code.metadata.name, ["kb", "keys", "add", "tests", "--by", "tests", "--json", *asked], container="code")
    with started.space.forwarded(api.metadata.name, started.port("search-api")) as port:
        url = f"http://127.0.0.1:{port}"
        with Client(url, json.loads(made)["key"], patience=PATIENCE) as client:
            yield url, client

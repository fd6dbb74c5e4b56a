"""Load the search API: eight clients against the same searches in this process, while releases are promoted and rolled back.

    python bench/serve_load.py [--clients 8] [--seconds 60] [--rounds 6] [--json]

The sample knowledge base is released twice, some pages changed in between, in a home of its own that is removed; the questions are about these pages. Rounds alternate, so that other
work on the machine disturbs all of them alike: one caller in this process, as many callers in this process as there are clients, and the clients
over HTTP, each a thread of a process of their own that asks again as soon as it has its answer. During every second round over HTTP the pointer moves
back and forth. An answer is mixed if a chunk in it is not of the release that it names.

Exit code 1 if any request failed, any answer was mixed, or 95 % of HTTP answers take more than twice what they take in this process under the same load.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Event
from typing import Any

import numpy as np
import yaml
from refresh_overhead import own_home

from kb_client import Client, KbClientError
from kb_platform.cli import session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import refresh_once
from kb_platform.local.environment import environment
from kb_platform.settings import SHIPPED_DEFS
from kb_platform.storage.database import Database
from kb_platform.storage.releases import promote

TARGET = 2.0
NAME, K, PAGES = "handbook", 5, 7  # fewer than a tenth of its pages change
HEADING = re.compile(r"^(##+ .*)$", re.MULTILINE)
Ask = Callable[[str], Any]


def release_twice() -> Database:
    """Release the sample without its goldens, and once more with the pages changed; return its database."""
    folder = session.settings().defs / NAME
    shutil.copytree(SHIPPED_DEFS / NAME, folder, ignore=shutil.ignore_patterns("golden"))
    kb = session.knowledge_base(NAME)
    refresh_once(kb, None, None, quiet=True)
    for name in {page for page, _ in asked_about()}:
        page = folder / "documents" / name
        page.write_text(HEADING.sub(r"\1 (revised)", page.read_text(encoding="utf-8")), encoding="utf-8")
    refresh_once(kb, None, None, quiet=True)
    database = session.store(NAME).database
    with database.transaction("owner") as c:
        promoted = [row[0] for row in c.execute("select release_id from release where promoted_at is not null order by 1")]
    if promoted != [1, 2]:
        raise SystemExit(f"expected two promoted releases, found {promoted}")
    return database


@cache
def asked_about() -> list[tuple[str, str]]:
    """Return the pages that change, and questions about them: the golden ones of the sample."""
    goldens = yaml.safe_load((SHIPPED_DEFS / NAME / "golden" / "golden.yaml").read_text(encoding="utf-8"))["goldens"]
    found = [(golden["expected"][0]["document"], golden["question"]) for golden in goldens
             if golden.get("expected") and golden["expected"][0]["document"].endswith(".md")]
    pages = [page for page, _ in Counter(page for page, _ in found).most_common(PAGES)]
    return [(page, question) for page, question in found if page in pages]


@contextmanager
def serving() -> Iterator[str]:
    """Serve the home in another process, and yield the URL."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-m", "kb_platform.serving"], stderr=log, env=os.environ | environment(session.settings()))
        try:
            while True:
                log.seek(0)
                if found := re.search(r"search API on (http://\S+)\"", log.read()):
                    yield found[1]
                    break
                if process.poll() is not None:
                    raise SystemExit("the search API has ended")
                time.sleep(0.1)
        finally:
            process.terminate()
            process.wait()


def ask_for(asks: list[Ask], seconds: float) -> list[float]:
    """Let each caller ask one question after another for so long; return the seconds of each answer."""
    texts, end = [question for _, question in asked_about()], time.monotonic() + seconds

    def call(number: int) -> list[float]:
        took: list[float] = []
        while time.monotonic() < end:
            began = time.perf_counter()
            asks[number](texts[(number * 31 + len(took)) % len(texts)])
            took.append(time.perf_counter() - began)
        return took

    with ThreadPoolExecutor(len(asks)) as threads:
        return [seconds for took in threads.map(call, range(len(asks))) for seconds in took]


def clients(url: str, count: int, seconds: float) -> dict[str, Any]:
    """Ask over HTTP in a process of its own; return the seconds of each answer, and the chunks of each release that was named."""
    command = [sys.executable, __file__, "--ask", url, "--clients", str(count), "--seconds", str(seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def be_clients(url: str, count: int, seconds: float) -> None:
    """Be that process."""
    seen: dict[int, set[int]] = {1: set(), 2: set()}
    errors: list[str] = []
    with Client(url, timeout=60, patience=0) as client:
        base = client.knowledge_base(NAME)

        def ask(text: str) -> None:
            try:
                answer = base.search(text, k=K)
                seen[answer.release].update(hit.chunk for hit in answer.hits)
            except KbClientError as error:
                errors.append(str(error))

        took = ask_for([ask] * count, seconds)
    print(json.dumps({"took": took, "seen": {release: sorted(chunks) for release, chunks in seen.items()}, "errors": errors}))


@contextmanager
def moving(database: Database) -> Iterator[list[int]]:
    """Move the pointer back and forth meanwhile, ten times a second; yield how often."""
    stop, moves = Event(), [0]

    def move() -> None:
        while not stop.wait(0.1):
            promote(database, 1 + moves[0] % 2)
            moves[0] += 1
        promote(database, 2)

    with ThreadPoolExecutor(1) as thread:
        moved = thread.submit(move)
        try:
            yield moves
        finally:
            stop.set()
            moved.result()


def chunks_of(database: Database, release: int) -> set[int]:
    """Return the chunks of a release."""
    with database.transaction("owner") as c:
        return {row[0] for row in c.execute("select id from chunk where valid_from <= %(r)s and valid_to > %(r)s", {"r": release})}


def measure(count: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Alternate the three ways of asking; return the report."""
    took: dict[str, list[float]] = {"one caller": [], "callers": [], "http": []}
    errors, mixed, moves, part = 0, 0, 0, seconds / rounds
    with own_home():
        database = release_twice()
        retriever, live = make_retriever(session.knowledge_base(NAME), "reader", None)

        def here(text: str) -> object:
            return retriever.search(text, live, k=K)

        own = {release: chunks_of(database, release) for release in (1, 2)}
        with serving() as url:
            ask_for([here], 3)
            clients(url, count, 3)
            for number in range(rounds):
                took["one caller"] += ask_for([here], part / 2)
                took["callers"] += ask_for([here] * count, part / 2)
                if number % 2:
                    with moving(database) as moved:
                        found = clients(url, count, part)
                    moves += moved[0]
                else:
                    found = clients(url, count, part)
                took["http"] += found["took"]
                errors += len(found["errors"])
                mixed += sum(len(set(chunks) - own[int(release)]) for release, chunks in found["seen"].items())
    return report(took, count) | {"errors": errors, "mixed": mixed, "pointer_moves": moves}


def report(took: dict[str, list[float]], count: int) -> dict[str, Any]:
    """Return milliseconds and ratios."""
    p95 = {name: float(np.percentile(values, 95)) * 1000 for name, values in took.items()}
    return {"clients": count, "answers": {name: len(values) for name, values in took.items()},
            "p50_ms": {name: round(float(np.median(values)) * 1000, 1) for name, values in took.items()},
            "p95_ms": {name: round(value, 1) for name, value in p95.items()},
            "ratio_same_load": round(p95["http"] / p95["callers"], 2), "ratio_one_caller": round(p95["http"] / p95["one caller"], 2)}


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore[reportOptionalMemberAccess]
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.ask:
        be_clients(wanted.ask, wanted.clients, wanted.seconds)
        return
    found = measure(wanted.clients, wanted.seconds, wanted.rounds)
    print(json.dumps(found) if wanted.json else
          "\n".join(f"{name:18} {value}" for name, value in found.items()) + f"\ntarget             ratio_same_load at most {TARGET}, no error, nothing mixed")
    sys.exit(0 if not found["errors"] and not found["mixed"] and found["ratio_same_load"] <= TARGET else 1)


if __name__ == "__main__":
    main()

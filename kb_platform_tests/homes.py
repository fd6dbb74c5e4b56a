"""Homes for tests: one Postgres for a folder of tests, and the settings and environment of its home while a module's tests run.

Modules of several folders take turns in one process, in whatever order: what a module sets is undone when it ends.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kb_platform.cli import session
from kb_platform.local.environment import environment
from kb_platform.local.supervisor import down
from kb_platform.resources import close_stores
from kb_platform.settings import Settings, environment_kept, export


@contextmanager
def environment_put_back() -> Iterator[None]:
    """Put back the environment as it was."""
    with environment_kept():
        yield


@contextmanager
def serving_home(prefix: str, defs: Path | None = None) -> Iterator[Settings]:
    """Yield the settings of a new home whose Postgres runs; its knowledge bases lie in `defs`, or else in a folder beside it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    (folder / "defs").mkdir()
    chosen = Settings(home=folder / "home", defs=defs or folder / "defs", database_url=None, object_store=str(folder / "objects"))
    try:
        with ExitStack() as serving:
            with environment_put_back(), session.use(chosen):
                serving.enter_context(session.database_running())
            yield chosen
    finally:
        down(chosen, wipe=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def at_home(chosen: Settings) -> Iterator[None]:
    """Let this process work in a home, with its variables, and leave no connection behind."""
    with environment_put_back(), session.use(chosen):
        export(environment(chosen))
        try:
            yield
        finally:
            close_stores()

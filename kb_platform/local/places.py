"""Where the files of one home's Postgres lie, and which user runs the server.

Everything is in `<home>/postgres`. One exception: Postgres refuses to run as root, so root runs it as `nobody` (or as whoever
owns an existing data folder), and that user must be able to walk to the files. Where it cannot, as below /root, they are put in
`/var/lib/kb-platform/<hash of the home>`, and `<home>/postgres/data` is a link there. No user is created, and no permission of a
folder that was there before is changed.
"""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from kb_platform.knowledge.errors import StateError
from kb_platform.local.processes import Owner

STATE_FOLDER = Path("/var/lib/kb-platform")


@dataclass(frozen=True)
class Places:
    """One home's Postgres: `folder` holds the data (and a copy of the binaries if need be); `owner` is None for this user."""

    home: Path
    folder: Path
    owner: Owner | None

    @property
    def state(self) -> Path:
        """Return the folder of the lock and the remembered port."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """Return the server's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Return the server's log."""
        return self.home / "logs" / "postgres.log"


def make_home(home: Path) -> None:
    """Create the home's folders. Only the way to the database is open to other users, and that only for root's home.

    Raises:
        StateError: the home is another user's.
    """
    for folder in (home, home / "postgres"):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise _somebody_elses(folder)
    passable = 0o711 if os.geteuid() == 0 else 0o700
    closed = [(home / name, 0o700) for name in ("logs", "dagster", "objects", "review")]
    for folder, mode in ((home, passable), (home / "postgres", passable), *closed):
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)


def places_of(home: Path) -> Places:
    """Return where the home's Postgres lies, or would lie; creates nothing.

    Raises:
        StateError: the data belong to another user.
    """
    inside = home / "postgres"
    data = inside / "data"
    if data.exists():
        return Places(home, data.resolve().parent, _owner_of(data))
    owner = _new_owner()
    if owner is None or may_enter(inside, owner):
        return Places(home, inside, owner)
    elsewhere = STATE_FOLDER / hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Places(home, elsewhere, owner)


def make_folder(places: Places) -> None:
    """Create the data's folder where that is outside the home, with a note saying whose it is.

    Raises:
        StateError: it cannot be created.
    """
    if places.folder.is_dir():
        return
    try:
        places.folder.mkdir(parents=True, mode=0o711)
        for folder in (places.folder.parent, places.folder):
            folder.chmod(0o711)
        (places.folder / "home").write_text(f"{places.home}\n")
    except OSError as error:
        user = places.owner.uid if places.owner else os.geteuid()
        raise StateError(
            f"the database cannot be kept there ({error.strerror})", where=str(places.folder),
            expected=f"a folder for the user with id {user}, as Postgres never runs as root",
            action="set KB_HOME to a folder that every user may enter, such as /srv/kb, or run as an ordinary user",
        ) from error


def may_enter(folder: Path, owner: Owner) -> bool:
    """Tell whether the user may walk down to the folder; parts that do not exist yet are made passable by `make_home`."""
    for part in (folder, *folder.parents):
        if part.exists():
            found = part.stat()
            bit = stat.S_IXUSR if found.st_uid == owner.uid else stat.S_IXOTH
            if not found.st_mode & bit:
                return False
    return True


def _owner_of(data: Path) -> Owner | None:
    found, me = data.stat(), os.geteuid()
    if me in (0, found.st_uid):
        return Owner(found.st_uid, found.st_gid) if me == 0 else None
    raise _somebody_elses(data)


def _somebody_elses(folder: Path) -> StateError:
    return StateError(
        f"this belongs to the user with id {folder.stat().st_uid}, not to the one running this ({os.geteuid()})",
        where=str(folder), action="run as that user or as root, or set KB_HOME to another folder",
    )


def _new_owner() -> Owner | None:
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise StateError(
            "this system has no user `nobody`, and Postgres never runs as root",
            action="run as an ordinary user, or set KB_DATABASE_URL",
        ) from error
    return Owner(nobody.pw_uid, nobody.pw_gid)

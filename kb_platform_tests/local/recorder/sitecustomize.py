"""Loaded by every Python process that has this folder on its path: notes look-ups of names, connections, and files that are written."""

import os
import sys

FILE = os.environ.get("RECORD_TO")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MAKING = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "shutil.copyfile": 1, "sqlite3.connect": 0}

if FILE:
    out = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def note(kind: str, what: object) -> None:
        os.write(out, f"{kind}\t{os.fsdecode(what) if isinstance(what, bytes) else what}\t{' '.join(sys.orig_argv[:4]).partition(chr(10))[0]}\n".encode())

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & WRITING:
            note("file", os.path.abspath(os.fsdecode(arguments[0])))
        elif event in MAKING and isinstance(arguments[MAKING[event]], (str, bytes)):
            note("file", os.path.abspath(os.fsdecode(arguments[MAKING[event]])))
        elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            note("host", arguments[0])
        elif event in ("socket.connect", "socket.sendto", "socket.bind"):
            note("address", arguments[1] if isinstance(arguments[1], (str, bytes)) else arguments[1][0])

    sys.addaudithook(hook)

"""Logs as one JSON object a line: routes, ids, counts and times, nothing of a case."""

import datetime as dt
import json
import logging
import traceback


class JsonLines(logging.Formatter):
    """Writes a record with what its `said` adds. Of an exception the type and the places: its message may quote what was sent."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname, "logger": record.name, "message": record.getMessage(), **getattr(record, "said", {})}
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)[-8:]
            line |= {"error": type(error).__name__, "places": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}
        return json.dumps(line, default=str)


def write_json_lines() -> None:
    """Let all loggers write them to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("httpx", "httpcore", "uvicorn.error", "uvicorn.asgi"):  # they name addresses with ids, and quote exceptions
        logging.getLogger(name).setLevel(logging.CRITICAL)

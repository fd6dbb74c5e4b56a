"""Logs as one JSON object a line: routes, names, counts and times, nothing of what was asked or found."""

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
            line |= {"error": type(error).__name__,
                     "places": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-8:]]}
        return json.dumps(line, default=str)


def write_json_lines() -> None:
    """Let all loggers write them to standard error; libraries, which may quote requests, only what is critical."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.CRITICAL, handlers=[handler], force=True)
    logging.getLogger("kb_platform").setLevel(logging.INFO)

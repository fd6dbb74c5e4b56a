"""What one document may cost before it is refused: a hostile file ends as a report, not as a dead run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ParseLimits:
    """Limits of the reader process and of archives.

    `seconds` is wall-clock time for one document; `memory_bytes` is the address space of the reader process. A Word document is
    a ZIP archive: `xml_bytes` bounds what its XML parts expand to, `archive_bytes` everything in it, and `ratio` the expansion
    of a part larger than 1 MiB (text expands 5 to 20 times, a bomb about 1,000 times).
    """

    seconds: float = 30
    memory_bytes: int = 1 << 30
    xml_bytes: int = 30 << 20
    archive_bytes: int = 200 << 20
    ratio: int = 200
    characters: int = 20_000_000

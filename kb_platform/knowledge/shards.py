"""Parts of a source's texts that are embedded apart: which texts are in which follows from their hashes, and from nothing else."""

import re
from dataclasses import dataclass

KEY = re.compile(r"([0-9]+)_of_([0-9]+)")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `of`, counted from 1; every text is in exactly one."""

    number: int
    of: int

    @property
    def key(self) -> str:
        """Return its name, which the orchestrator carries."""
        return f"{self.number}_of_{self.of}"

    def holds(self, text_hash: bytes) -> bool:
        """Tell whether a text is in it, by its hash of 8 bytes or more."""
        return int.from_bytes(text_hash[:8], "big") % self.of == self.number - 1


WHOLE = Shard(1, 1)


def shards_of(texts: int, shard_texts: int) -> tuple[Shard, ...]:
    """Return as many shards as hold some `shard_texts` each; none for no text."""
    of = -(-texts // shard_texts)
    return tuple(Shard(number, of) for number in range(1, of + 1))


def shard_of(key: str) -> Shard:
    """Return the shard of a name; ValueError if it is none."""
    if not (found := KEY.fullmatch(key)):
        raise ValueError(f"{key!r} names no shard; expected 3_of_8")
    return Shard(int(found[1]), int(found[2]))

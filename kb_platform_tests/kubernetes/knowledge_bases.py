"""The knowledge bases of the tests, as files of the chart's value `knowledgeBases.inline`; their documents lie in the shared folder."""

from typing import Any

import yaml

from kb_platform_tests.kubernetes.deployment import STORE

DAY = "2026-01-01"
DOCUMENTS = {
    "fridge": "Vaccines are kept between two and eight degrees. Call extension 4410 when the alarm sounds.",
    "login": "A forgotten password is reset at the service desk.",
    "visits": "Visitors may stay until eight in the evening.",
}
NEVER = "example.com/gpu"  # no node offers it
MANY, SHARDS = 6000, 4


def definition(name: str, **attributes: Any) -> dict[str, str]:
    """Return the files of a knowledge base over the .jsonl file of its name."""
    source = {"name": "docs", "kind": "jsonl", "path": f"{STORE}/{name}.jsonl"}
    body = {"name": name, "start_date": DAY, "sources": [source]} | attributes
    return {"defs.yaml": yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body})}


def goldens() -> str:
    asked = {"id": "vaccines", "question": "At what temperature are vaccines kept?",
             "expected": [{"document": "fridge", "quote": "kept between two and eight degrees"}]}
    return yaml.safe_dump({"version": 1, "goldens": [asked]})


INLINE = {
    # its jobs follow one another, as those of a deployment do; its schedules' hour does not come
    "daily": definition("daily", schedule={"cron": "0 0 1 1 *", "maintenance": "0 0 1 1 *", "enabled": True}) | {"golden/queries.yaml": goldens()},
    "many": definition("many", compute={"shard_texts": MANY // SHARDS}),
    "queued": definition("queued"),
    "stopped": definition("stopped"),
    "never": definition("never", compute={"gpu": {"resource": NEVER}, "active_deadline_seconds": 60}),
}
CAPTURED = [name for name in INLINE if name != "daily"]
# what the servers' pod runs to write the documents
WRITE = f"""
import json
small = {DOCUMENTS!r}
def note(i):  # long enough that a shard takes seconds
    return " ".join(f"Bed {{i * 7 % 89 + n}} of ward {{i * 13 % 97}} was cleaned at {{(i + n) % 24}} hours by team {{i * n % 101}}." for n in range(8))
many = {{f"note-{{i}}": f"Note {{i}}. {{note(i)}}" for i in range({MANY})}}
for name in {list(INLINE)!r}:
    documents = many if name == "many" else small
    with open(f"{STORE}/{{name}}.jsonl", "w") as file:
        file.writelines(json.dumps({{"doc_id": key, "title": key, "text": text}}) + "\\n" for key, text in documents.items())
"""

"""What Temporal stores is ciphertext: on its disk, through a rotation, and for whoever asks the codec server without its token."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from google.protobuf import json_format
from starlette.testclient import TestClient
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from kb_contracts.decisions import Note, Verdict
from kb_contracts.outcomes import Outcome
from kb_review_worker.encryption.codec import AesGcmCodec, UnreadablePayload, data_converter
from kb_review_worker.encryption.codec_server import LARGEST_BODY, codec_app
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.decisions import PostgresDecisions
from kb_review_worker_tests.made_cases import PHRASE, case, decision, event, reviewer
from kb_review_worker_tests.reviewing import reviewing
from kb_review_worker_tests.servers import Server, binary, search_attribute_options

pytestmark = pytest.mark.anyio
OLD, NEW = os.urandom(32), os.urandom(32)
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(PHRASE).encode())


@pytest.mark.parametrize("keys", [None, {"k1": OLD}], ids=["in the clear", "encrypted"])
async def test_no_word_of_a_case_is_on_temporals_disk(database: Database, tmp_path: Path, keys: dict[str, bytes] | None) -> None:
    """In the clear it must be found: so that the search is known to find it."""

    class Talkative(PostgresDecisions):
        async def record(self, outcome: Outcome) -> None:
            if outcome.case.case_id == failing.case_id:
                raise ValueError(f"a failure that quotes {PHRASE}")
            await super().record(outcome)

    file = tmp_path / "temporal.db"
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"), dev_server_database_filename=str(file), data_converter=data_converter(keys),
        dev_server_extra_args=search_attribute_options(), dev_server_log_level="error",
    )
    async with environment, reviewing(Server("real", environment), database, decisions=Talkative(database)) as reviews:
        about, failing = case(), case()
        handle = await reviews.waiting(about)
        await reviews.send(handle, Note(event_id=event(), reviewer=reviewer(), text=f"{PHRASE} again"))
        assert await reviews.refusal(handle, decision(about, reviewer=reviewer(PHRASE, "nobody"))) == "ReviewerNotAllowed"
        await reviews.send(handle, decision(about, Verdict.REJECT))
        assert (await handle.result()).state.decision.reason == f"because of {PHRASE}"
        quoting = await reviews.waiting(failing)
        await reviews.send(quoting, decision(failing))
        while not (pending := (await quoting.describe()).raw_description.pending_activities) or not pending[0].HasField("last_failure"):
            await asyncio.sleep(0.01)
        await quoting.terminate()
        with pytest.raises(WorkflowFailureError):
            await quoting.result()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert (PHRASE.encode() in stored) is (keys is None)
    assert handle.id.encode() in stored


async def test_a_rotated_key_reads_what_the_old_one_wrote() -> None:
    written = await AesGcmCodec({"k1": OLD}).encode([PLAIN, PLAIN])
    rotated = AesGcmCodec({"k2": NEW, "k1": OLD})
    assert await rotated.decode(written) == [PLAIN, PLAIN]
    assert written[0].data != written[1].data
    assert [p.metadata["key-id"] for p in await rotated.encode(written)] == [b"k2", b"k2"]
    assert await rotated.decode([PLAIN]) == [PLAIN]
    with pytest.raises(UnreadablePayload, match="k1"):
        await AesGcmCodec({"k2": NEW}).decode(written)


@pytest.mark.parametrize("change", ["data", "key-id"])
async def test_a_changed_payload_is_noticed(change: str) -> None:
    (written,) = await AesGcmCodec({"k1": OLD}).encode([PLAIN])
    if change == "data":
        written.data = written.data[:-1] + bytes([written.data[-1] ^ 1])
    else:
        written.metadata["key-id"] = b"k2"
    with pytest.raises(UnreadablePayload, match="changed"):
        await AesGcmCodec({"k1": OLD, "k2": OLD}).decode([written])


async def test_the_codec_server_decrypts_for_its_token_alone() -> None:
    origin, codec = "http://127.0.0.1:8233", AesGcmCodec({"k1": OLD})
    asked = json_format.MessageToJson(Payloads(payloads=await codec.encode([PLAIN])))
    client, token = TestClient(codec_app(codec, "a token of the test", origin)), {"authorization": "Bearer a token of the test"}

    answer = client.post("/decode", content=asked, headers=token | {"origin": origin})
    assert json_format.Parse(answer.text, Payloads()).payloads == [PLAIN]
    assert answer.headers["access-control-allow-origin"] == origin
    again = client.post("/encode", content=answer.text, headers=token)
    assert client.post("/decode", content=again.text, headers=token).text == answer.text

    assert client.post("/decode", content=asked).status_code == 401
    assert client.post("/decode", content=asked, headers={"authorization": "Bearer another"}).status_code == 401
    assert client.get("/decode", headers=token).status_code == 405
    assert "access-control-allow-origin" not in client.post("/decode", content=asked, headers=token | {"origin": "http://evil"}).headers
    assert client.post("/decode", content="{]", headers=token).status_code == 400
    assert client.post("/decode", content=b"\xff", headers=token).status_code == 400
    assert client.post("/decode", content=b" " * (LARGEST_BODY + 1), headers=token).status_code == 400
    foreign = json_format.MessageToJson(Payloads(payloads=await AesGcmCodec({"k9": NEW}).encode([PLAIN])))
    refused = client.post("/decode", content=foreign, headers=token)
    assert (refused.status_code, "k9" in refused.text) == (422, True)

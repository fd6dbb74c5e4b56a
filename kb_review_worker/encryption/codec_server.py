"""Decrypts for Temporal's pages and command line, for whoever has the token (docs.temporal.io/remote-data-encoding).

temporal workflow show --codec-endpoint http://127.0.0.1:PORT --codec-auth "Bearer TOKEN" ...
"""

import hmac

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payloads

from kb_review_worker.encryption.codec import AesGcmCodec, UnreadablePayload

LARGEST_BODY = 8 * 1024 * 1024  # Temporal's own bound of a payload is 2 MB


def codec_app(codec: AesGcmCodec, token: str, origin: str) -> Starlette:
    """Return the application: `/decode` and `/encode`, for one origin and one token."""

    async def convert(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            return _refusal(401, "expected the header `Authorization: Bearer <KB_REVIEW_CODEC_TOKEN>`")
        try:
            payloads = json_format.Parse(await _body(request), Payloads(), ignore_unknown_fields=True)
            work = codec.decode if request.url.path == "/decode" else codec.encode
            done = await work(list(payloads.payloads))
        except (json_format.ParseError, UnicodeDecodeError, _TooLarge):
            return _refusal(400, f"expected Temporal's Payloads as JSON, at most {LARGEST_BODY} bytes")
        except UnreadablePayload as error:
            return _refusal(422, str(error))
        return Response(json_format.MessageToJson(Payloads(payloads=done)), media_type="application/json")

    cors = Middleware(CORSMiddleware, allow_origins=[origin], allow_methods=["POST"], allow_headers=["authorization", "content-type", "x-namespace"])
    return Starlette(routes=[Route(path, convert, methods=["POST"]) for path in ("/decode", "/encode")], middleware=[cors])


class _TooLarge(Exception):
    """A body that no payload of Temporal has."""


async def _body(request: Request) -> str:
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > LARGEST_BODY:
            raise _TooLarge
    return parts.decode()


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)

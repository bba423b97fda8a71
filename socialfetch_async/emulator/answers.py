"""How an answer leaves, whole or broken."""

import contextlib
import json
from typing import Any, Final

from aiohttp import web

from socialfetch_async.emulator.account import CHECKOUT_URL

_ERRORS: Final = {
    400: ("bad_request", "The handle or the cursor is not valid."),
    401: ("unauthorized", "The API key is missing or not valid."),
    402: ("insufficient_credits", "There are no credits left."),
    404: ("not_found", "There is no such route."),
    429: ("temporarily_unavailable", "Too many requests."),
    500: ("internal_error", "Something unexpected happened."),
    502: ("lookup_failed", "The lookup could not be completed."),
    503: ("temporarily_unavailable", "The service is temporarily unavailable."),
}


def atomic_write(value: dict[str, Any], status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return web.Response(status=status, body=_encoded(value), content_type="application/json")


def refusal(status: int, request_id: str, retry_after: int | None) -> web.Response:
    """Return an error in its envelope; a 503 asks to wait, if there is how long."""
    code, message = _ERRORS[status]
    error = {"code": code, "message": message, "requestId": request_id}
    if status == 402:
        error["checkoutUrl"] = CHECKOUT_URL
    answer = atomic_write({"error": error}, status)
    if status == 503 and retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def hang_up(request: web.Request) -> web.Response:
    """End the connection; what was written before still leaves."""
    if request.transport is not None:  # else the client was quicker
        request.transport.close()
    return web.Response(status=0)  # nobody is there to get it


async def break_off(request: web.Request, value: dict[str, Any]) -> web.Response:
    """Send half of a value, then end the connection."""
    body = _encoded(value)
    half = web.StreamResponse(headers={"Content-Type": "application/json"})
    half.content_length = len(body)
    with contextlib.suppress(ConnectionError):  # the client may have left
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    return hang_up(request)


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

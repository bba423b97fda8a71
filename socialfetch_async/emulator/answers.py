"""How an answer leaves, whole or broken."""

import asyncio
import contextlib
from typing import Any, Final

from aiohttp import web

from socialfetch_async.emulator import damage
from socialfetch_async.emulator.account import CHECKOUT_URL

_ERRORS: Final = {
    400: ("bad_request", "The handle or the cursor is not valid."),
    401: ("unauthorized", "The API key is missing or not valid."),
    402: ("insufficient_credits", "There are no credits left."),
    403: ("forbidden", "The API key is not allowed to do this."),
    404: ("not_found", "There is no such route."),
    429: ("temporarily_unavailable", "Too many requests."),
    500: ("internal_error", "Something unexpected happened."),
    502: ("lookup_failed", "The lookup could not be completed."),
    503: ("temporarily_unavailable", "The service is temporarily unavailable."),
}
_OTHER: Final = ("other_error", "The request could not be served.")
_HTML: Final = b"<!doctype html><html><body><h1>This is not the API</h1></body></html>"
_GATEWAYS: Final = {
    "html": (_HTML, "text/html"),
    "empty": (b"", "text/plain"),
    "json": (
        b'{"statusCode":0,"error":"Gateway","message":"no healthy upstream"}',
        "application/json",
    ),
}
_ELSEWHERE: Final = "https://elsewhere.example.invalid/"
_LATE_408: Final = (
    b"HTTP/1.1 408 Request Time-out\r\nContent-Type: text/html\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_HTML), _HTML)
)
_LATE_200: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


def json_answer(value: dict[str, Any], status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return _whole(damage.encoded(value), status)


def refusal(status: int, request_id: str, retry_after: int | None) -> web.Response:
    """Return an error in its envelope; a 429 or 503 asks to wait, if there is how long."""
    code, message = _ERRORS.get(status, _OTHER)
    error = {"code": code, "message": message, "requestId": request_id}
    if status == 402:
        error["checkoutUrl"] = CHECKOUT_URL
    return _waiting(json_answer({"error": error}, status), retry_after)


async def instead(
    request: web.Request, fault: str, request_id: str, retry_after: int | None
) -> web.StreamResponse:
    """Answer in place of a page that is not sold, or is lost: by a fault of the connection."""
    match fault:
        case "drop" | "lose":
            return _hang_up(request)
        case "stall" | "stall-after":
            return await _stall(request)
        case "portal" | "html":
            return _whole(_HTML, kind="text/html")
        case "redirect":
            answer = _whole(b"", 302)
            answer.headers["Location"] = _ELSEWHERE
            return answer
    status, _, form = fault.removesuffix("-after").partition("-")
    if not form:
        return refusal(int(status), request_id, retry_after)
    body, kind = _GATEWAYS[form]
    return _waiting(_whole(body, int(status), kind), retry_after)


async def page(
    request: web.Request, fault: str | None, value: dict[str, Any]
) -> web.StreamResponse:
    """Answer with a page that was sold, as it is or broken."""
    match fault:
        case "truncate":
            return await _break_off(request, value)
        case "stall-body":
            return await _break_off(request, value, stalls=True)
        case "empty":
            return _whole(b"")
        case "gzip-truncated":
            return _packed(damage.compressed(damage.encoded(value))[:-20])
        case "bomb":
            return _packed(damage.bomb())
    text = None if fault is None else damage.damaged(fault, value)
    return json_answer(value) if text is None else _whole(text)


def stray(fault: str, other: dict[str, Any]) -> bytes:
    """Return an answer that nobody asked for."""
    body = damage.encoded(other)
    return _LATE_408 if fault == "stray-408" else _LATE_200 % len(body) + body


def _whole(body: bytes, status: int = 200, kind: str = "application/json") -> web.Response:
    return web.Response(status=status, body=body, content_type=kind)


def _packed(body: bytes) -> web.Response:
    answer = _whole(body)
    answer.headers["Content-Encoding"] = "gzip"
    return answer


def _waiting(answer: web.Response, retry_after: int | None) -> web.Response:
    if answer.status in {429, 503} and retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def _hang_up(request: web.Request) -> web.Response:
    """End the connection; what was written before still leaves."""
    if request.transport is not None:  # else the client was quicker
        request.transport.close()
    return web.Response(status=0)  # nobody is there to get it


async def _stall(request: web.Request) -> web.Response:
    """Answer nothing until the client has left."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        # No event of the transport says that it has ended.
        await asyncio.sleep(0.02)
    return _hang_up(request)


async def _break_off(
    request: web.Request, value: dict[str, Any], *, stalls: bool = False
) -> web.StreamResponse:
    """Send half of a value, then end the connection, or wait for the client to do so."""
    body = damage.encoded(value)
    half = web.StreamResponse(headers={"Content-Type": "application/json"})
    half.content_length = len(body)
    with contextlib.suppress(ConnectionError):  # the client may have left
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    return await _stall(request) if stalls else _hang_up(request)

"""The documented routes on aiohttp.web, on an address of this machine."""

import asyncio
import contextlib
import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aiohttp import web

from socialfetch_async.emulator.account import CHECKOUT_URL, Account, Charge, balance
from socialfetch_async.emulator.faults import FaultPlan
from socialfetch_async.emulator.profiles import Profile, Profiles, well_formed
from socialfetch_async.emulator.status_page import status_page

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
_REQUEST_ID: Final = web.RequestKey("request_id", str)


class Received(NamedTuple):
    """One request as it came.

    Attributes:
        path: The path as sent, percent-encoding included.
        query: The query string as sent.
        handle: The handle in the path, if the route has one.
        cursor: The cursor in the query, decoded.
        status: What was answered; 0 while nothing is, and when the connection broke instead.
    """

    path: str
    query: str
    handle: str | None
    cursor: str | None
    status: int


class Emulator:
    """The API on 127.0.0.1: `async with Emulator() as api:`, then `api.base_url`.

    Args:
        profiles: Handle to `Profile`, number of followers, or lookup status. None: every handle
            exists (see `Profiles`).
        page_size: Followers on a page.
        latency: Seconds that a page takes, from its charge to its answer.
        seed: Decides the followers and the order of faults.
        credits: Credits of the account, one for each page; None: without end.
        faults: Fault to share of the requests, 0 to 1; the kinds are in `FAULTS`.
        retry_after: Seconds that a 503 asks to wait, in its Retry-After header.
        api_keys: The keys that are accepted.
        port: 0 takes a free one.

    Raises:
        ValueError: An argument that no emulator can have.

    Attributes:
        requests: Every request but those for the status page, in order of arrival.
        charges: Every credit taken, in order.
        peak_concurrency: The most requests that were here at once.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile | int | str] | None = None,
        *,
        page_size: int = 20,
        latency: float = 0.0,
        seed: int = 0,
        credits: int | None = None,
        faults: Mapping[str, float] | None = None,
        retry_after: int | None = None,
        api_keys: Iterable[str] = ("sfk_emulator",),
        port: int = 0,
    ) -> None:
        _check("page_size", page_size, least=1)
        _check("latency", latency)
        _check("credits", credits or 0)
        _check("retry_after", retry_after or 0)
        _check("port", port, most=65_535)
        keys = tuple(api_keys)
        if not keys:
            raise ValueError("api_keys is empty: nobody could ask for anything")
        self._profiles = Profiles(profiles, seed=seed, page_size=page_size)
        self._account = Account(credits)
        self._faults = FaultPlan(faults or {}, seed)
        self._latency = latency
        self._retry_after = retry_after
        self._api_keys = frozenset(keys)
        self._port = port
        self._runner: web.AppRunner | None = None
        self._served: set[tuple[str, str | None]] = set()
        self._here = 0
        self.requests: list[Received] = []
        self.peak_concurrency = 0
        self.base_url = ""
        self.api_key = keys[0]

    @property
    def charges(self) -> list[Charge]:
        """Every credit taken, in order."""
        return self._account.charges

    @property
    def credits(self) -> int | None:
        """Credits left; can be set, to buy some."""
        return self._account.credits

    @credits.setter
    def credits(self, value: int | None) -> None:
        self._account.credits = value

    def script(self, handle: str | None, *faults: str | None) -> None:
        """Order faults for the next requests of a handle (None: of any), None for no fault."""
        self._faults.script(handle, *faults)

    def followers(self, handle: str) -> list[dict[str, Any]]:
        """Return the whole list of a profile as the API sends it, to compare with."""
        size = self._profiles.find(handle).followers
        return [self._profiles.follower(handle, index) for index in range(size)]

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._recorded])
        app.router.add_get("/", self._status)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/whoami", self._whoami)
        app.router.add_get("/v1/balance", self._balance)
        app.router.add_get("/v1/tiktok/profiles/{handle}/followers", self._followers)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # -- every route ------------------------------------------------------------------------

    @web.middleware
    async def _recorded(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if request.path == "/":
            return await handler(request)
        number = len(self.requests)
        request[_REQUEST_ID] = f"req_{number + 1:08d}"
        path, _, query = request.raw_path.partition("?")
        handle, cursor = request.match_info.get("handle"), request.query.get("cursor")
        received = Received(path, query, handle, cursor, 0)
        self.requests.append(received)
        answer = await handler(request)
        self.requests[number] = received._replace(status=answer.status)
        return answer

    def _authorized(self, request: web.Request) -> bool:
        return request.headers.get("x-api-key") in self._api_keys

    def _refuse(self, request: web.Request, status: int) -> web.Response:
        code, message = _ERRORS[status]
        error = {"code": code, "message": message, "requestId": request[_REQUEST_ID]}
        headers = {}
        if status == 402:
            error["checkoutUrl"] = CHECKOUT_URL
        if status == 503 and self._retry_after is not None:
            headers["Retry-After"] = str(self._retry_after)
        return _json(status, {"error": error}, headers)

    # -- free routes ------------------------------------------------------------------------

    async def _status(self, _: web.Request) -> web.Response:
        page = status_page(len(self.requests), len(self.charges), self.credits, self._here)
        return web.Response(text=page, content_type="text/html")

    async def _health(self, _: web.Request) -> web.Response:
        return _json(200, {"status": "ok"})

    async def _unknown(self, request: web.Request) -> web.Response:
        return self._refuse(request, 404)

    async def _whoami(self, request: web.Request) -> web.Response:
        user = {"id": "usr_emulator", "name": "Emulator", "email": None}
        return self._free(request, {"user": user})

    async def _balance(self, request: web.Request) -> web.Response:
        left = 1_000_000 if self.credits is None else self.credits
        return self._free(request, balance(left))

    def _free(self, request: web.Request, data: dict[str, Any]) -> web.Response:
        if not self._authorized(request):
            return self._refuse(request, 401)
        meta = {"requestId": request[_REQUEST_ID], "creditsCharged": 0, "version": "v1"}
        return _json(200, {"data": data, "meta": meta})

    # -- the paid route ---------------------------------------------------------------------

    async def _followers(self, request: web.Request) -> web.StreamResponse:
        self._here += 1
        self.peak_concurrency = max(self.peak_concurrency, self._here)
        try:
            return await self._followers_page(request)
        finally:
            self._here -= 1

    async def _followers_page(  # noqa: PLR0911 - one return for each documented answer
        self, request: web.Request
    ) -> web.StreamResponse:
        handle, cursor = request.match_info["handle"], request.query.get("cursor")
        trim = request.query.get("trim", "false")
        if not self._authorized(request):
            return self._refuse(request, 401)
        offset = self._profiles.offset(handle, cursor) if well_formed(handle) else None
        if offset is None or trim not in {"true", "false"} or request.query.get("userId") == "":
            return self._refuse(request, 400)
        fault = self._faults.next(handle)
        if fault == "drop":
            return _hang_up(request)
        if fault is not None and fault.isdigit():
            await asyncio.sleep(self._latency)
            return self._refuse(request, int(fault))
        if not self._account.charge(handle, cursor, request[_REQUEST_ID]):
            return self._refuse(request, 402)
        meta: dict[str, Any] = {
            "requestId": request[_REQUEST_ID],
            "creditsCharged": 1,
            "version": "v1",
        }
        if (handle.lower(), cursor) in self._served:
            meta["cached"] = True
        self._served.add((handle.lower(), cursor))
        await asyncio.sleep(self._latency)
        if fault == "lose":
            return _hang_up(request)
        data = self._profiles.page(handle, offset, trim=trim == "true")
        body = {"data": data, "meta": meta}
        return await _break_off(request, body) if fault == "truncate" else _json(200, body)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:  # else the client was quicker
        request.transport.close()  # what was written before still leaves
    return web.Response(status=0)  # nobody is there to get it


async def _break_off(request: web.Request, value: dict[str, Any]) -> web.Response:
    body = _encoded(value)
    half = web.StreamResponse(headers={"Content-Type": "application/json"})
    half.content_length = len(body)
    with contextlib.suppress(ConnectionError):  # the client may have left
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    return _hang_up(request)


def _json(
    status: int, value: dict[str, Any], headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        status=status, body=_encoded(value), content_type="application/json", headers=headers
    )


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _check(name: str, value: float, *, least: int = 0, most: float = math.inf) -> None:
    if not (least <= value <= most and math.isfinite(value)):
        to = "" if most == math.inf else f", at most {most}"
        raise ValueError(f"{name} is a finite number, at least {least}{to}, not {value}")

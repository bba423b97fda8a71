"""The documented routes on aiohttp.web, on an address of this machine."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aiohttp import web

from socialfetch_async.emulator import answers
from socialfetch_async.emulator.account import Account, Charge, balance
from socialfetch_async.emulator.faults import FAULTS, FaultPlan, RateLimit
from socialfetch_async.emulator.growth import Growth
from socialfetch_async.emulator.profiles import TURNS, Place, Profile, Profiles, well_formed
from socialfetch_async.emulator.status_page import status_page

_PAID: Final = {
    "followers": "/v1/tiktok/profiles/{handle}/followers",
    "following": "/v1/tiktok/profiles/{handle}/following",
    "profile": "/v1/tiktok/profiles/{handle}",
}
_STRAY_PAUSE: Final = 0.02  # seconds, by which the connection is idle ...
_STRAY_TURNS: Final = 10  # ... and turns of the loop, by which it is so on a slow machine, too
_REQUEST_ID: Final = web.RequestKey("request_id", str)


class Received(NamedTuple):
    """One request as it came.

    Attributes:
        path: The path as sent, percent-encoding included.
        query: The query string as sent.
        handle: The handle in the path, if the route has one.
        cursor: The cursor in the query, decoded.
        status: The status of the response; 0 before it, and if the connection broke instead.
    """

    path: str
    query: str
    handle: str | None
    cursor: str | None
    status: int


class _Asked(NamedTuple):
    """What a paid request asks for."""

    route: str
    handle: str
    cursor: str | None = None
    place: Place = Place()
    trim: bool = False


class Emulator:
    """The API on 127.0.0.1: `async with Emulator() as api:`, then `api.base_url`.

    Everything except entering and leaving may be used from any thread.

    Args:
        profiles: Handle to `Profile`, number of followers, or lookup status. None: every handle
            exists, with a size that follows from its name, except those that begin with `private`,
            `hidden` or `missing`.
        page_size: Rows per page.
        latency: Seconds from the charge to the response.
        seed: Decides the people, who leaves a list, and which requests fail.
        credits: Credits of the account; None: unlimited.
        price: Credits per page.
        faults: Fault to share of the requests, 0 to 1. The kinds are in `FAULTS`.
        retry_after: Seconds in the Retry-After header of a 429 or 503; None: no header.
        rate_limit: Paid requests per second; None: unlimited.
        limited: The fault that a request over the rate limit meets.
        outages: Outages, each as a fault that charges nothing, and the seconds after the start at
            which it begins and ends.
        growth: Handle to the rate at which its list moves: `5/min` gains five followers per minute,
            `-2/h` loses two per hour, `1/s` gains one per second.
        depth: Followers after which a list ends as if it were complete; None: all.
        api_keys: The keys that are accepted.
        port: The port; 0 takes a free one.

    Raises:
        ValueError: An argument is not valid.

    Attributes:
        requests: Every request except those for the status page, in order of arrival.
        charges: Every charge in order, including charges for responses that were lost.
        latency: As above; can be set.
        retry_after: As above; can be set.
        price: As above; can be set.
        peak_concurrency: The largest number of requests in flight at a time.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile | int | str] | None = None,
        *,
        page_size: int = 20,
        latency: float = 0.0,
        seed: int = 0,
        credits: int | None = None,
        price: int = 1,
        faults: Mapping[str, float] | None = None,
        retry_after: int | None = None,
        rate_limit: float | None = None,
        limited: str = "429",
        outages: Iterable[tuple[str, float, float]] = (),
        growth: Mapping[str, str] | None = None,
        depth: int | None = None,
        api_keys: Iterable[str] = ("sfk_emulator",),
        port: int = 0,
    ) -> None:
        _check("page_size", page_size, least=1)
        _check("latency", latency)
        _check("credits", credits or 0)
        _check("retry_after", retry_after or 0)
        _check("price", price, least=1)
        _check("depth", depth or 0)
        _check("port", port, most=65_535)
        keys = tuple(api_keys)
        if not keys:
            raise ValueError("api_keys is empty: nobody could ask for anything")
        self._growth = Growth(growth or {})
        self._profiles = Profiles(
            profiles, seed=seed, page_size=page_size, growth=self._growth, depth=depth
        )
        self._strangers = Profiles({"stranger": 1_000}, seed=seed, page_size=page_size)
        self._account = Account(credits)
        self._faults = FaultPlan(faults or {}, seed, outages)
        self.limit_rate(rate_limit, limited)
        self.price = price
        self.latency = latency
        self.retry_after = retry_after
        self._api_keys = frozenset(keys)
        self._port = port
        self._runner: web.AppRunner | None = None
        self._served: set[tuple[str, str, str | None]] = set()
        self._here = 0
        self._begun = 0.0
        self._busy: set[asyncio.BaseTransport | None] = set()
        self.requests: list[Received] = []
        self.peak_concurrency = 0
        self.base_url = ""
        self.api_key = keys[0]

    @property
    def charges(self) -> list[Charge]:
        """Every charge in order, including charges for responses that were lost."""
        return self._account.charges

    @property
    def credits(self) -> int | None:
        """Credits left; can be set, to buy some."""
        return self._account.left

    @credits.setter
    def credits(self, value: int | None) -> None:
        self._account.left = value

    @property
    def depth(self) -> int | None:
        """Followers after which a list ends as if it were complete; can be set."""
        return self._profiles.depth

    @depth.setter
    def depth(self, value: int | None) -> None:
        _check("depth", value or 0)
        self._profiles.depth = value

    def script(self, handle: str | None, *faults: str | None) -> None:
        """Order faults for the next requests of a handle (None: of any), None for no fault."""
        self._faults.script(handle, *faults)

    def fault(self, fault: str, rate: float) -> None:
        """Let a share of the requests, 0 to 1, fail in one of the ways in `FAULTS`."""
        self._faults.rate(fault, rate)

    def outage(self, fault: str, seconds: float) -> None:
        """Let every request fail for some seconds from now on, by a fault that charges nothing."""
        self._faults.outage(fault, self._seconds(), self._seconds() + seconds)

    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    def limit_rate(self, per_second: float | None, fault: str = "429") -> None:
        """Refuse paid requests over a rate, by a fault that charges nothing; None: no limit."""
        _check("per_second", per_second or 0)
        self._rate_limit = RateLimit(per_second, fault)

    def profile(self, handle: str, value: Profile | int | str) -> None:
        """Let a profile exist: a `Profile`, a number of followers, or a lookup status."""
        self._profiles.give(handle, value)

    def gain(self, handle: str, followers: int) -> list[str]:
        """Put new followers at the top of a list.

        Cursors issued before stay valid: their places are below the new followers.

        Args:
            handle: A profile that is found.
            followers: How many.

        Returns:
            The handles of the new followers, newest first.

        Raises:
            ValueError: The profile has no list.
        """
        return self._profiles.gain(handle, followers)

    def lose(self, handle: str, followers: int | Iterable[str]) -> list[str]:
        """Take followers out of a list.

        If the follower at a cursor has left, the page begins with the next one.

        Args:
            handle: A profile that is found.
            followers: How many, drawn by the seed; or the handles of some who follow it now.

        Returns:
            The handles of those who left, newest first.

        Raises:
            ValueError: The profile has no list, or not these followers.
        """
        return self._profiles.lose(handle, followers)

    def grow(self, handle: str, rate: str) -> None:
        """Let a list gain or lose followers with time: `5/min`, `-2/h`, `1/s`; `0/s` ends it.

        Raises:
            ValueError: The profile has no list, or the rate is not valid.
        """
        self._profiles.grow(handle, rate)

    def expire_cursors(self) -> None:
        """Refuse every cursor issued so far, with a 400."""
        self._profiles.expire_cursors()

    def followers(self, handle: str) -> list[dict[str, Any]]:
        """Return the whole list of a profile as it is now and as the API sends it."""
        return self._profiles.rows("followers", handle)

    def following(self, handle: str) -> list[dict[str, Any]]:
        """Return all accounts that a profile follows, as the API sends them."""
        return self._profiles.rows("following", handle)

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._recorded])
        app.router.add_get("/", self._status)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/whoami", self._whoami)
        app.router.add_get("/v1/balance", self._balance)
        for route, path in _PAID.items():
            app.router.add_get(path, self._paid, name=route)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._begun = time.monotonic()
        self._growth.begin()
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
        outage, transport = self._faults.in_outage(self._seconds()), request.transport
        self._busy.add(transport)
        try:
            answer = await (self._instead(request, outage) if outage else handler(request))
        finally:
            self._busy.discard(transport)
        self.requests[number] = received._replace(status=answer.status)
        return answer

    def _authorized(self, request: web.Request) -> bool:
        return request.headers.get("x-api-key") in self._api_keys

    def _refuse(self, request: web.Request, status: int) -> web.Response:
        return answers.refusal(status, request[_REQUEST_ID], self.retry_after)

    async def _instead(self, request: web.Request, fault: str) -> web.StreamResponse:
        if fault != "drop":
            await asyncio.sleep(self.latency)
        return await answers.instead(request, fault, request[_REQUEST_ID], self.retry_after)

    # -- free routes ------------------------------------------------------------------------

    async def _status(self, _: web.Request) -> web.Response:
        page = status_page(len(self.requests), self._account.taken, self.credits, self._here)
        return web.Response(text=page, content_type="text/html")

    async def _health(self, _: web.Request) -> web.Response:
        return answers.json_answer({"status": "ok"})

    async def _unknown(self, request: web.Request) -> web.Response:
        return self._refuse(request, 404)

    async def _whoami(self, request: web.Request) -> web.Response:
        user = {"id": "usr_emulator", "name": "Emulator", "email": None}
        return self._free(request, {"user": user})

    async def _balance(self, request: web.Request) -> web.Response:
        return self._free(request, balance(self._account.balance))

    def _free(self, request: web.Request, data: dict[str, Any]) -> web.Response:
        if not self._authorized(request):
            return self._refuse(request, 401)
        meta = {"requestId": request[_REQUEST_ID], "creditsCharged": 0, "version": "v1"}
        return answers.json_answer({"data": data, "meta": meta})

    # -- paid routes ------------------------------------------------------------------------

    async def _paid(self, request: web.Request) -> web.StreamResponse:
        self._here += 1
        self.peak_concurrency = max(self.peak_concurrency, self._here)
        try:
            return await self._paid_answer(request)
        finally:
            self._here -= 1

    async def _paid_answer(self, request: web.Request) -> web.StreamResponse:
        if not self._authorized(request):
            return self._refuse(request, 401)
        asked = self._asked(request)
        if asked is None:
            return self._refuse(request, 400)
        fault = self._fault(asked)
        if fault is not None and not FAULTS[fault].charged:
            return await self._instead(request, fault)
        charge = Charge(
            asked.handle, asked.cursor, request[_REQUEST_ID], asked.route, credits=self.price
        )
        if not self._account.charge(charge):
            return self._refuse(request, 402)
        return await self._bought(request, asked, charge, fault)

    def _fault(self, asked: _Asked) -> str | None:
        """Return what a request meets: the rate limit, a fault that was ordered, or None."""
        if self._rate_limit.refuses(time.monotonic()):
            return self._rate_limit.fault
        fault = self._faults.next(asked.handle)
        if fault == "expired":
            return None if asked.cursor is None else "400"
        return fault

    def _asked(self, request: web.Request) -> _Asked | None:
        """Return what is asked for; None for what cannot be asked."""
        route, handle = request.match_info.route.name, request.match_info["handle"]
        assert route is not None
        if not well_formed(handle):
            return None
        if route == "profile":
            return _Asked(route, handle)
        if route == "followers" and request.query.get("userId") == "":
            return None
        cursor, trim = request.query.get("cursor"), request.query.get("trim", "false")
        place = self._profiles.place(route, handle, cursor)
        if place is None or trim not in {"true", "false"}:
            return None
        return _Asked(route, handle, cursor, place, trim == "true")

    async def _bought(
        self, request: web.Request, asked: _Asked, charge: Charge, fault: str | None
    ) -> web.StreamResponse:
        """Answer what was charged, whole or by a fault that takes the credits."""
        meta: dict[str, Any] = {
            "requestId": charge.request_id,
            "creditsCharged": charge.credits,
            "version": "v1",
        }
        key = (asked.route, asked.handle.lower(), asked.cursor)
        if key in self._served:
            meta["cached"] = True
        self._served.add(key)
        await asyncio.sleep(self.latency)
        if fault in {"lose", "html", "stall-after"} or (fault and fault[:1].isdigit()):
            return await answers.instead(request, fault, charge.request_id, self.retry_after)
        body = {"data": self._data(asked, fault if fault in TURNS else None), "meta": meta}
        if fault is not None and fault.startswith("stray"):
            other = self._strangers.page("followers", "stranger", Place(), trim=asked.trim)
            late = answers.stray(fault, {"data": other, "meta": meta})
            loop = asyncio.get_running_loop()
            loop.call_later(_STRAY_PAUSE, self._stray, request.transport, late)
        return await answers.page(request, fault, body)

    def _stray(
        self, transport: asyncio.Transport | None, late: bytes, turns: int = _STRAY_TURNS
    ) -> None:
        """Write what nobody asked for, if nobody is asking."""
        if turns:
            asyncio.get_running_loop().call_soon(self._stray, transport, late, turns - 1)
        elif transport is not None and not transport.is_closing() and transport not in self._busy:
            transport.write(late)

    def _data(self, asked: _Asked, turn: str | None = None) -> dict[str, Any]:
        if asked.route == "profile":
            return self._profiles.lookup(asked.handle)
        return self._profiles.page(
            asked.route, asked.handle, asked.place, trim=asked.trim, turn=turn
        )


def _check(name: str, value: float, *, least: int = 0, most: float = math.inf) -> None:
    if not (least <= value <= most and math.isfinite(value)):
        to = "" if most == math.inf else f", at most {most}"
        raise ValueError(f"{name} must be a finite number, at least {least}{to}, not {value}")

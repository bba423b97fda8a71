"""The documented routes on aiohttp.web, on an address of this machine."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aiohttp import web

from socialfetch_async.emulator import answers
from socialfetch_async.emulator.account import Account, Charge, balance
from socialfetch_async.emulator.faults import FaultPlan
from socialfetch_async.emulator.growth import Growth
from socialfetch_async.emulator.profiles import Place, Profile, Profiles, well_formed
from socialfetch_async.emulator.status_page import status_page

_PAID: Final = {
    "followers": "/v1/tiktok/profiles/{handle}/followers",
    "following": "/v1/tiktok/profiles/{handle}/following",
    "profile": "/v1/tiktok/profiles/{handle}",
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


class _Asked(NamedTuple):
    """What a paid request asks for."""

    route: str
    handle: str
    cursor: str | None = None
    place: Place = Place()
    trim: bool = False


class Emulator:
    """The API on 127.0.0.1: `async with Emulator() as api:`, then `api.base_url`.

    Everything but entering and leaving may be used from any thread.

    Args:
        profiles: Handle to `Profile`, number of followers, or lookup status. None: every handle
            exists (see `Profiles`).
        page_size: Rows on a page.
        latency: Seconds that a paid answer takes, from its charge on.
        seed: Decides the people and the order of faults.
        credits: Credits of the account, one for each paid answer; None: without end.
        faults: Fault to share of the requests, 0 to 1; the kinds are in `FAULTS`.
        retry_after: Seconds that a 503 asks to wait, in its Retry-After header.
        growth: Handle to how fast its list moves by itself, from the start of the emulator on:
            `5/min` gains five followers a minute, `-2/h` loses two an hour; also `s`.
        depth: How many of a list can be walked before it ends as if it were complete; None: all.
        api_keys: The keys that are accepted.
        port: 0 takes a free one.

    Raises:
        ValueError: An argument that no emulator can have.

    Attributes:
        requests: Every request but those for the status page, in order of arrival.
        charges: Every credit taken, in order.
        latency: As above; can be set.
        retry_after: As above; can be set.
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
        growth: Mapping[str, str] | None = None,
        depth: int | None = None,
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
        _check("depth", depth or 0)
        self._growth = Growth(growth or {})
        self._profiles = Profiles(
            profiles, seed=seed, page_size=page_size, growth=self._growth, depth=depth
        )
        self._account = Account(credits)
        self._faults = FaultPlan(faults or {}, seed)
        self.latency = latency
        self.retry_after = retry_after
        self._api_keys = frozenset(keys)
        self._port = port
        self._runner: web.AppRunner | None = None
        self._served: set[tuple[str, str, str | None]] = set()
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
        return self._account.left

    @credits.setter
    def credits(self, value: int | None) -> None:
        self._account.left = value

    def script(self, handle: str | None, *faults: str | None) -> None:
        """Order faults for the next requests of a handle (None: of any), None for no fault."""
        self._faults.script(handle, *faults)

    def fault(self, fault: str, rate: float) -> None:
        """Let a share of the requests, 0 to 1, fail in one of the ways in `FAULTS`."""
        self._faults.rate(fault, rate)

    def profile(self, handle: str, value: Profile | int | str) -> None:
        """Let a profile exist: a `Profile`, a number of followers, or a lookup status."""
        self._profiles.give(handle, value)

    def gain(self, handle: str, followers: int) -> list[str]:
        """Put new followers at the top of a list.

        Cursors that were handed out before go on working: they are behind the new ones.

        Args:
            handle: The profile, which is one that is found.
            followers: How many.

        Returns:
            The handles of the new ones, newest first.

        Raises:
            ValueError: The profile has no list.
        """
        return self._profiles.gain(handle, followers)

    def lose(self, handle: str, followers: int | Iterable[str]) -> list[str]:
        """Take followers out of a list.

        A cursor that points to one of them goes on with the next one.

        Args:
            handle: The profile, which is one that is found.
            followers: How many, drawn by the seed; or the handles of some who follow it now.

        Returns:
            The handles of those who left, newest first.

        Raises:
            ValueError: The profile has no list, or not these followers.
        """
        return self._profiles.lose(handle, followers)

    def expire_cursors(self) -> None:
        """Refuse every cursor that was handed out so far, with a 400."""
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
        answer = await handler(request)
        self.requests[number] = received._replace(status=answer.status)
        return answer

    def _authorized(self, request: web.Request) -> bool:
        return request.headers.get("x-api-key") in self._api_keys

    def _refuse(self, request: web.Request, status: int) -> web.Response:
        return answers.refusal(status, request[_REQUEST_ID], self.retry_after)

    # -- free routes ------------------------------------------------------------------------

    async def _status(self, _: web.Request) -> web.Response:
        page = status_page(len(self.requests), len(self.charges), self.credits, self._here)
        return web.Response(text=page, content_type="text/html")

    async def _health(self, _: web.Request) -> web.Response:
        return answers.atomic_write({"status": "ok"})

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
        return answers.atomic_write({"data": data, "meta": meta})

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
        fault = self._faults.next(asked.handle)
        if fault == "drop":
            return answers.hang_up(request)
        if fault is not None and fault.isdigit():
            await asyncio.sleep(self.latency)
            return self._refuse(request, int(fault))
        charge = Charge(asked.handle, asked.cursor, request[_REQUEST_ID], asked.route)
        if not self._account.charge(charge):
            return self._refuse(request, 402)
        return await self._bought(request, asked, fault)

    def _asked(self, request: web.Request) -> _Asked | None:
        """Return what is asked for; None for what can not be asked."""
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
        self, request: web.Request, asked: _Asked, fault: str | None
    ) -> web.StreamResponse:
        """Answer what was charged, whole or by a fault that takes the credit."""
        meta: dict[str, Any] = {
            "requestId": request[_REQUEST_ID],
            "creditsCharged": 1,
            "version": "v1",
        }
        key = (asked.route, asked.handle.lower(), asked.cursor)
        if key in self._served:
            meta["cached"] = True
        self._served.add(key)
        await asyncio.sleep(self.latency)
        if fault == "lose":
            return answers.hang_up(request)
        body = {"data": self._data(asked), "meta": meta}
        return await answers.break_off(request, body) if fault else answers.atomic_write(body)

    def _data(self, asked: _Asked) -> dict[str, Any]:
        if asked.route == "profile":
            return self._profiles.lookup(asked.handle)
        return self._profiles.page(asked.route, asked.handle, asked.place, trim=asked.trim)


def _check(name: str, value: float, *, least: int = 0, most: float = math.inf) -> None:
    if not (least <= value <= most and math.isfinite(value)):
        to = "" if most == math.inf else f", at most {most}"
        raise ValueError(f"{name} is a finite number, at least {least}{to}, not {value}")

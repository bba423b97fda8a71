"""What the server knows: its lists, what it charged and delivered, and which fault comes next."""

import random
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

from tests.faults.wire import (
    HTML,
    Asked,
    Fault,
    Step,
    answer,
    bomb,
    many_rows,
    split,
    status_body,
)

_ROW = (
    '{"handle":"%s","displayName":"D","avatarUrl":null,"platformUserId":"%s","bio":"",'
    '"verified":false,"privateAccount":false,"metrics":{"followers":1,"following":2}}'
)
_PAGE = (
    '{"data":{"lookupStatus":"%s","followers":[%s],"page":{"nextCursor":%s,"hasMore":%s},'
    '"totalFollowers":%d},"meta":{"requestId":"req_%d","creditsCharged":%d,"version":"v1"}}'
)
_OUTAGES = ("reset", "refuse", "plain", "no-handshake")  # that are the connections' own
_ROUTE = ("", "v1", "tiktok", "profiles")


@dataclass
class Profile:
    """One list.

    Attributes:
        pages: How many. `rows`: on each of them.
        shape: How it misbehaves: `repeat`, `cycle`, `same_ids`, `empty`, `missing_cursor`, or
            `again`, where it begins again under fresh cursors; "" is a list as it should be.
        lookup: The lookupStatus.
        price: Credits for a page.
        period: Of `again`: pages until its rows come again.
        begins: Of `again`: pages before those that come again.
        shift: Of `again`: followers who are new at the top, each time it begins.
        repeats: Share of rows with somebody who came before, as in an honest list that moves.
    """

    pages: int = 3
    rows: int = 3
    shape: str = ""
    lookup: str = "found"
    price: int = 1
    period: int = 1
    begins: int = 0
    shift: int = 0
    repeats: float = 0.0

    @property
    def total(self) -> int:
        """What is said of its length."""
        return self.rows * (self.begins + self.period if self.shape == "again" else self.pages)


def person(handle: str, place: int, rows: int) -> str:
    """Return who stands at a place of a list; new ones stand before place 0."""
    return f"{handle}.{place // rows}.{place % rows}" if place >= 0 else f"{handle}.new.{-place}"


@dataclass
class Entry:
    """What happened to one page."""

    requests: int = 0
    charged: int = 0
    delivered: int = 0
    at: list[float] = field(default_factory=list)


class Outage(NamedTuple):
    """From when to when nobody is served, and how that looks."""

    begin: float
    end: float
    how: str


class Plan(NamedTuple):
    """An answer: what to send, and what to note when it is sent."""

    steps: Iterable[Step]
    entry: Entry | None = None
    delivered: bool = False


def cursor_of(page: int) -> str | None:
    """Return the cursor of a page, with characters that a careless client changes."""
    return f"c{page}+/%2F é=" if page else None


def page_of(cursor: str | None) -> int | None:
    """Return the page of a cursor; None when no such cursor was ever given out."""
    if cursor is None:
        return 0
    number = cursor[1:].partition("+")[0]
    page = int(number) if number.isdecimal() else 0
    return page if page and cursor == cursor_of(page) else None


def _next(page: int, profile: Profile) -> tuple[bool, str | None]:
    """Return `hasMore` and `nextCursor` of a page."""
    if profile.lookup != "found":
        return False, None
    more, following = page + 1 < profile.pages, cursor_of(page + 1)
    match profile.shape:
        case "repeat" | "cycle":
            last = 1 if profile.shape == "repeat" else 2
            return True, cursor_of(1) if page >= last else following
        case "same_ids" | "empty" | "again":
            return True, following
        case "missing_cursor":
            return True, following if more else None
        case _:
            return more, following if more else None


def _people(handle: str, page: int, profile: Profile) -> list[str]:
    """Return who is on a page."""
    rows, shape = profile.rows, profile.shape
    if profile.lookup != "found" or (shape == "empty" and page):
        return []
    shift = 0
    if shape == "same_ids":
        page = 0
    elif shape == "again" and page >= profile.begins:
        times, place = divmod(page - profile.begins, profile.period)
        page, shift = profile.begins + place, times * profile.shift
    places = [page * rows + row - shift for row in range(rows)]
    if profile.repeats:
        draw = random.Random(f"{handle}/{page}")
        places = [
            draw.randrange(place) if place > 0 and draw.random() < profile.repeats else place
            for place in places
        ]
    return [person(handle, place, rows) for place in places]


def _free(order: str) -> tuple[Fault, str]:
    """Return a fault that charges nothing, with its header."""
    fault, header = split(order)
    if fault.charged:
        raise ValueError(f"{order} charges a page: it is no answer to one that is not served")
    return fault, header


def _played(fault: tuple[Fault, str], key: str) -> Iterable[Step]:
    return fault[0].play(Asked(b"{}", fault[1], key))


def _without_origin(path: str) -> str:
    """Return the path of a request to a proxy, which has the whole URL."""
    return "/" + path.split("/", 3)[3] if path.startswith("http://") else path


class Bucket:
    """A rate limit: tokens that come in at a rate, up to a burst."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, max(burst, 1.0)
        self._tokens, self._at = self._burst, 0.0

    def take(self, now: float) -> bool:
        """Take a token; False when none is left."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Book:
    """The state of one server; `reset` begins a new one."""

    def __init__(
        self,
        *,
        pages: int = 3,
        rows: int = 3,
        profiles: dict[str, dict[str, Any]] | None = None,
        rate: float = 0.0,
        kinds: list[str] | None = None,
        seed: int = 0,
        balance: int | None = None,
        latency: float = 0.0,
        price: int = 1,
        rate_limit: float | None = None,
        burst: float | None = None,
        limited: str = "429",
        refuses_connect: str = "403 Forbidden",
    ) -> None:
        """Begin with lists, faults and an account.

        Args:
            pages: Of every list. `rows`: on a page. `price`: credits for a page.
            profiles: Handle to what of `Profile` is different from that.
            rate: Share of requests that meet one of the `kinds`, decided by `seed`.
            balance: Credits of the account; None: without end.
            latency: Seconds before each answer.
            rate_limit: Pages in a second, of which `burst` (a second's) may come at once; a
                request above it meets the fault `limited`: `503-html`, `429 Retry-After: 1`.
            refuses_connect: The status that a proxy's CONNECT gets.
        """
        usual: dict[str, Any] = {"pages": pages, "rows": rows, "price": price}
        self._usual = Profile(**usual)
        self._profiles = {n: Profile(**{**usual, **made}) for n, made in (profiles or {}).items()}
        self._limit = None if rate_limit is None else Bucket(rate_limit, burst or rate_limit)
        self._limited = _free(limited)
        self._refuses_connect = refuses_connect
        self._rate = rate
        self._kinds = kinds or []
        self._seed = seed
        self.balance = balance
        self.latency = latency
        self._orders: dict[tuple[str, int], deque[str]] = {}
        self._always: dict[str, str] = {}
        self.ledger: dict[tuple[str, str | None], Entry] = {}
        self.count: Counter[str] = Counter()
        self.paths: list[str] = []
        self.refused_accepts = 0
        self.outage: Outage | None = None
        self._instead: tuple[Fault, str] | None = None
        self.delivered_at: Counter[int] = Counter()
        self.begun = time.monotonic()

    # -- orders -----------------------------------------------------------------------------

    def begin_outage(self, outage: Outage) -> None:
        """Serve nobody from now on."""
        self._instead = None if outage.how in _OUTAGES else _free(outage.how)
        self.outage = outage

    def order(self, handle: str, page: int, faults: list[str]) -> None:
        """Let the next requests for a page meet these faults, one each."""
        for fault in faults:
            self._prepare(fault)
        self._orders.setdefault((handle, page), deque()).extend(faults)

    def always(self, handle: str, fault: str) -> None:
        """Let every request for a handle, or for `*`, meet a fault; "" ends that."""
        if fault:
            self._prepare(fault)
        self._always[handle] = fault

    @staticmethod
    def _prepare(order: str) -> None:
        split(order)
        for name, make in (("bomb", bomb), ("many-rows", many_rows)):
            if order == name:
                make()  # before it is asked for, so that its making is not timed

    def _fault(self, handle: str, page: int, attempt: int, *, reused: bool) -> tuple[str, bool]:
        """Return the fault of a request, "" for none, and whether it is worth counting."""
        order = self._always.get(handle) or self._always.get("*") or ""
        if queue := self._orders.get((handle, page)):
            order = queue.popleft()
        elif not order and self._rate:
            order = self._drawn(handle, page, attempt)
        return "" if order.startswith("stale") and not reused else order, bool(order)

    def _drawn(self, handle: str, page: int, attempt: int) -> str:
        """Draw by page and attempt, so that a seed means the same in any order of requests."""
        text = f"{self._seed}/{handle}/{page}/{attempt}".encode()
        number = int.from_bytes(blake2b(text, digest_size=8).digest())
        if (number >> 32) / 2**32 >= self._rate:
            return ""
        return self._kinds[(number & 0xFFFFFFFF) % len(self._kinds)]

    # -- requests ---------------------------------------------------------------------------

    def answer(self, head: bytes, *, reused: bool) -> Plan:
        """Decide about one request, and charge for it."""
        lines = head.decode("latin-1").split("\r\n")
        path, _, query = lines[0].split(" ")[1].partition("?")
        key = next((x[11:] for x in lines if x[:11].lower() == "x-api-key: "), "")
        self.count["requests"] += 1
        self.count["with_key"] += bool(key)
        if self.count["no_credits"]:
            self.count["after_402"] += 1
        if self.outage is not None and self._instead is not None:
            self.count["outage_requests"] += 1
            return Plan(_played(self._instead, key))
        path = _without_origin(path)
        parts = path.split("/")
        if tuple(parts[:4]) != _ROUTE or len(parts) != 6 or parts[5] != "followers":
            return self._other_route(path)
        cursor = None
        for item in query.split("&"):
            name, _, value = item.partition("=")
            if name == "cursor":
                cursor = unquote_plus(value, errors="strict")
        return self._page(unquote(parts[4], errors="strict"), cursor, key, reused=reused)

    def connect(self, head: bytes) -> bytes:
        """Refuse a tunnel; a request for one never has the key."""
        self.count["connects"] += 1
        self.count["with_key"] += b"x-api-key" in head.lower()
        return answer(HTML, status=self._refuses_connect, kind="text/html")

    def _other_route(self, path: str) -> Plan:
        meta = '"meta":{"requestId":"req_free","creditsCharged":0,"version":"v1"}'
        if path == "/v1/balance":
            left = (10**9 if self.balance is None else self.balance) - self.count["charged"]
            return Plan([answer(f'{{"data":{{"balance":{left}}},{meta}}}'.encode())])
        self.count["other_routes"] += 1
        self.paths.append(path)
        return Plan([answer(status_body(404), status="404 Status")])

    def _page(self, handle: str, cursor: str | None, key: str, *, reused: bool) -> Plan:
        entry = self.ledger.setdefault((handle, cursor), Entry())
        entry.requests += 1
        entry.at.append(time.monotonic())
        profile = self._profiles.get(handle, self._usual)
        page = page_of(cursor)
        if handle == "echo":
            page = profile.pages - 1
        if page is None or (page >= profile.pages and not profile.shape):
            self.count["unknown_cursors"] += 1
            return Plan([answer(status_body(400), status="400 Status")])
        if self._limit is not None and not self._limit.take(time.monotonic()):
            self.count["limited"] += 1
            return Plan(_played(self._limited, key))
        order, planned = self._fault(handle, page, entry.requests, reused=reused)
        fault, header = split(order) if order else (None, "")
        charged = fault is None or fault.charged
        if charged and not self._charge(profile.price, entry):
            return Plan([answer(status_body(402), status="402 Status")])
        self._note(fault, planned=planned)
        body = self._body(handle, page, profile)
        if fault is None:
            return Plan([answer(body)], entry, delivered=True)
        other = self._body("stranger", page, profile)
        return Plan(fault.play(Asked(body, header, key, other)), entry, fault.delivered)

    def _charge(self, price: int, entry: Entry) -> bool:
        if self.balance is not None and self.count["charged"] + price > self.balance:
            self.count["no_credits"] += 1
            return False
        self.count["charged"] += price
        entry.charged += price
        return True

    def _note(self, fault: Fault | None, *, planned: bool) -> None:
        if fault is None or fault.delivered:
            self.count["passed"] += planned
        elif fault.charged:
            self.count["faults_after"] += 1
        else:
            self.count["faults_before"] += 1

    def _body(self, handle: str, page: int, profile: Profile) -> bytes:
        more, following = _next(page, profile)
        people = _people(handle, page, profile)
        return (
            _PAGE
            % (
                profile.lookup,
                ",".join([_ROW % (who, who) for who in people]),
                "null" if following is None else f'"{following}"',
                "true" if more else "false",
                profile.total,
                self.count["requests"],
                profile.price,
            )
        ).encode()

    def sent(self, plan: Plan) -> None:
        """Note that a whole answer with its rows was written."""
        if plan.delivered and plan.entry is not None:
            plan.entry.delivered += 1
            self.count["delivered"] += 1
            self.delivered_at[int((time.monotonic() - self.begun) * 10)] += 1

"""What the server knows: its lists, what it charged and delivered, and which fault comes next."""

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

from tests.faults.wire import Asked, Fault, Step, answer, bomb, split, status_body

_ROW = (
    '{"handle":"%s.%d.%d","displayName":"D","avatarUrl":null,"platformUserId":"%s.%d.%d","bio":"",'
    '"verified":false,"privateAccount":false,"metrics":{"followers":1,"following":2}}'
)
_PAGE = (
    '{"data":{"lookupStatus":"%s","followers":[%s],"page":{"nextCursor":%s,"hasMore":%s},'
    '"totalFollowers":%d},"meta":{"requestId":"req_%d","creditsCharged":%d,"version":"v1"}}'
)
_ROUTE = ("", "v1", "tiktok", "profiles")


@dataclass
class Profile:
    """One list. `shape` says how it misbehaves; "" is a list as it should be."""

    pages: int = 3
    rows: int = 3
    shape: str = ""
    lookup: str = "found"
    price: int = 1


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
    ) -> None:
        self._usual = Profile(pages, rows)
        self._profiles = {name: Profile(**made) for name, made in (profiles or {}).items()}
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
        self.delivered_at: Counter[int] = Counter()
        self.begun = time.monotonic()

    # -- orders -----------------------------------------------------------------------------

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
        if order == "bomb":
            bomb()  # made before it is asked for, so that its making is not timed

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
        if self.outage is not None and self.outage.how == "503":
            self.count["outage_requests"] += 1
            return Plan([answer(status_body(503), status="503 Status")])
        parts = path.split("/")
        if tuple(parts[:4]) != _ROUTE or len(parts) != 6 or parts[5] != "followers":
            return self._other_route(path)
        cursor = None
        for item in query.split("&"):
            name, _, value = item.partition("=")
            if name == "cursor":
                cursor = unquote_plus(value, errors="strict")
        return self._page(unquote(parts[4], errors="strict"), cursor, key, reused=reused)

    def _other_route(self, path: str) -> Plan:
        meta = '"meta":{"requestId":"req_free","creditsCharged":0,"version":"v1"}'
        if path == "/v1/balance":
            left = 1000 if self.balance is None else self.balance - self.count["charged"]
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
        order, planned = self._fault(handle, page, entry.requests, reused=reused)
        fault, header = split(order) if order else (None, "")
        charged = fault is None or fault.charged
        if charged and not self._charge(profile.price, entry):
            return Plan([answer(status_body(402), status="402 Status")])
        self._note(fault, planned=planned)
        body = self._body(handle, page, profile)
        if fault is None:
            return Plan([answer(body)], entry, delivered=True)
        return Plan(fault.play(Asked(body, header, key)), entry, fault.delivered)

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
        shape, more, rows_page = profile.shape, page + 1 < profile.pages, page
        following = cursor_of(page + 1)
        rows = profile.rows
        if shape in {"repeat", "cycle"}:
            more = True
            following = cursor_of(1) if page >= (1 if shape == "repeat" else 2) else following
        elif shape == "same_ids":
            more, rows_page = True, 0
        elif shape == "empty":
            more, rows = True, 0 if page else rows
        elif shape == "missing_cursor" and not more:
            more, following = True, None
        else:
            following = following if more else None
        if profile.lookup != "found":
            more, following, rows = False, None, 0
        made = [_ROW % (handle, rows_page, row, handle, rows_page, row) for row in range(rows)]
        return (
            _PAGE
            % (
                profile.lookup,
                ",".join(made),
                "null" if following is None else f'"{following}"',
                "true" if more else "false",
                profile.pages * profile.rows,
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

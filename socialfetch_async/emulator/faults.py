"""What the emulator does wrong on order: by script, by rate, and for a time."""

import random
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from socialfetch_async.emulator.damage import bomb


class Fault(NamedTuple):
    """One kind of fault.

    Attributes:
        what: What it does.
        charged: Whether it has taken the credits of the page.
    """

    what: str
    charged: bool = False


STATUSES: Final = (
    *(400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 411, 413, 414, 422, 425, 429, 431),
    *(500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526),
)
FORMS: Final = {"html": "HTML", "empty": "no body", "json": "another service's JSON"}
_LOSING: Final = (500, 502, 503, 504, 520, 524)

_NAMED: Final = {
    "expired": Fault("refuse a cursor with a 400, and answer first pages"),
    "redirect": Fault("answer 302 with the address of another host"),
    "portal": Fault("answer 200 with HTML, as a captive portal does"),
    "drop": Fault("close the connection without a byte"),
    "stall": Fault("answer nothing until the client leaves"),
    "lose": Fault("close the connection without a byte", charged=True),
    "stall-after": Fault("answer nothing until the client leaves", charged=True),
    "stall-body": Fault("stop in the middle of the body until the client leaves", charged=True),
    "truncate": Fault("close the connection in the middle of the body", charged=True),
    "half": Fault("answer half a page under its own length", charged=True),
    "gzip-truncated": Fault("answer a compressed page whose end is missing", charged=True),
    "bomb": Fault("answer 100 MB in 100 kB of gzip", charged=True),
    "html": Fault("answer 200 with HTML", charged=True),
    "empty": Fault("answer 200 without a body", charged=True),
    "stray-408": Fault("answer, then send a 408 on the idle connection", charged=True),
    "stray-200": Fault("answer, then send another profile's page on it", charged=True),
    "control-character": Fault("put a raw control character into a name", charged=True),
    "raw-newline": Fault("put a raw line break into a name", charged=True),
    "bad-escape": Fault("put an escape that JSON does not have into a name", charged=True),
    "surrogate": Fault("put half of a surrogate pair into a name", charged=True),
    "bad-utf8": Fault("put bytes that are not UTF-8 into a name", charged=True),
    "nan": Fault("say NaN for a row's number of followers", charged=True),
    "nul-behind": Fault("send NUL bytes behind the end of the page", charged=True),
    "text-behind": Fault("send text behind the end of the page", charged=True),
    "beyond-repair": Fault("leave a colon out of the page", charged=True),
    "bad-row": Fault("send a row with a field of the wrong type", charged=True),
    "unknown-fields": Fault("send fields that are not documented", charged=True),
    "unknown-status": Fault("send a lookupStatus that is not documented", charged=True),
    "no-meta": Fault("leave out meta", charged=True),
    "meta-null": Fault("send null for meta", charged=True),
    "price-missing": Fault("leave out creditsCharged", charged=True),
    "price-negative": Fault("say a negative creditsCharged", charged=True),
    "price-absurd": Fault("say a creditsCharged of a million million", charged=True),
    "envelope-list": Fault("send a list in place of an envelope", charged=True),
    "envelope-page": Fault("send data without its page", charged=True),
    "envelope-rows": Fault("send the rows under another name", charged=True),
    "same-cursor": Fault("say that the next page is this one", charged=True),
    "empty-page": Fault("send no rows and a fresh cursor for them", charged=True),
    "begin-again": Fault("let the list begin again under a fresh cursor", charged=True),
    "no-cursor": Fault("say that there is more, without a cursor", charged=True),
}

FAULTS: Final[Mapping[str, Fault]] = {
    **{str(status): Fault(f"answer {status} with the API's envelope") for status in STATUSES},
    **{
        f"{status}-{form}": Fault(f"answer {status} with {body}, as a gateway does")
        for status in STATUSES
        for form, body in FORMS.items()
    },
    "500-after": Fault("answer 500 with the API's envelope", charged=True),
    **{
        f"{status}-{form}-after": Fault(f"answer {status} with {body}, as a gateway does", True)
        for status in _LOSING
        for form, body in FORMS.items()
    },
    **_NAMED,
}
"""Every kind of fault, by its name."""


class FaultPlan:
    """Decides which request fails how.

    Args:
        rates: Fault to share of requests, 0 to 1.
        seed: Another seed, another order.
        outages: Faults that every request meets from one time to another.
    """

    def __init__(
        self,
        rates: Mapping[str, float],
        seed: int,
        outages: Iterable[tuple[str, float, float]] = (),
    ) -> None:
        self._rates: dict[str, float] = {}
        for fault, rate in rates.items():
            self.rate(fault, rate)
        self._random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._scripts: dict[str | None, deque[str | None]] = {}
        self._outages: list[tuple[str, float, float]] = []
        for outage in outages:
            self.outage(*outage)

    def rate(self, fault: str, rate: float) -> None:
        """Set the share of requests that fail in one way."""
        check(fault)
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate of {fault} must be between 0 and 1, not {rate}")
        rates = self._rates | {fault: rate}
        if sum(rates.values()) > 1:
            raise ValueError("the rates of all faults together must be at most 1")
        self._rates = rates  # a new one: another thread may be in the middle of the old

    def script(self, handle: str | None, *faults: str | None) -> None:
        """Order faults for the next requests of a handle (None: of anybody), None for no fault."""
        for fault in faults:
            if fault is not None:
                check(fault)
        self._scripts.setdefault(handle and handle.lower(), deque()).extend(faults)

    def outage(self, fault: str, begin: float, end: float) -> None:
        """Let every request meet a fault from one time to another."""
        check_free(fault)
        if not begin <= end:
            raise ValueError(f"an outage must end after its beginning, not at {end} s")
        self._outages = [*self._outages, (fault, begin, end)]

    def in_outage(self, now: float) -> str | None:
        """Return the fault that everybody meets now, or None."""
        return next((fault for fault, begin, end in self._outages if begin <= now < end), None)

    def next(self, handle: str) -> str | None:
        """Return the fault of this request, or None."""
        for key in (handle.lower(), None):
            if script := self._scripts.get(key):
                return script.popleft()
        draw = self._random.random()
        for fault, rate in self._rates.items():
            draw -= rate
            if draw < 0:
                return fault
        return None


class RateLimit:
    """How many requests a second are served: a bucket with the tokens of one second.

    Args:
        rate: Requests per second; None: without a limit.
        fault: What a request above it meets.
    """

    def __init__(self, rate: float | None, fault: str) -> None:
        check_free(fault)
        self._rate, self._tokens, self._at = rate, rate or 0.0, 0.0
        self.fault = fault

    def refuses(self, now: float) -> bool:
        """Whether this is a request too many."""
        if self._rate is None:
            return False
        most = max(self._rate, 1.0)
        self._tokens = min(most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return True
        self._tokens -= 1
        return False


def check(fault: str) -> None:
    """Refuse a fault that does not exist."""
    if fault not in FAULTS:
        raise ValueError(
            f"no such fault: {fault!r}. There are statuses (503), the same from a gateway "
            "(503-html, 503-empty, 503-json), also for a page that was charged (503-html-after), "
            f"and {', '.join(_NAMED)}"
        )
    if fault == "bomb":
        bomb()  # half a second of work, better done now than in an answer


def check_free(fault: str) -> None:
    """Refuse a fault that charges a page, or that does not exist."""
    check(fault)
    if FAULTS[fault].charged or fault == "expired":
        raise ValueError(f"{fault} answers a page; an outage or a limit serves none")

"""When failures of single handles end a run, as a table."""

from collections.abc import Sequence

import pytest

from socialfetch_async._protocol.brakes import Brakes
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    InsufficientCreditsError,
    LookupFailedError,
    NotFoundError,
    PaginationError,
    PayloadError,
    PermissionDeniedError,
    ServiceUnavailableError,
    SocialFetchError,
    TLSError,
    UnexpectedRedirectError,
)

UNREADABLE = DecodeError("x.", path="$")
CUT_OFF = PayloadError("x.")
DAMAGED = PayloadError("x.", whole=True, attempts=1)
DAMAGED_TWICE = PayloadError("x.", whole=True, attempts=2)
UNREADABLE_TWICE = DecodeError("x.", path="$", attempts=2)
GONE = NotFoundError("x.", status=404)
REDIRECT = UnexpectedRedirectError("x.")
NO_TRUST = TLSError("x.")
BAD = BadRequestError("x.", status=400)
LOOKUP = LookupFailedError("x.", status=502)
BUSY = ServiceUnavailableError("x.", status=503)
UNANSWERED = ServiceUnavailableError("x.", status=503).at(unanswered=True)
CIRCLE = PaginationError("x.", reason="no_progress")
PAGE = "page"
NO_ROWS = "no rows"
NO_ROW_READ = "no row read"
IN_PART = "a row read"
_PAGES = {PAGE: (20, 0), NO_ROWS: (0, 0), NO_ROW_READ: (0, 20), IN_PART: (1, 19)}

Events = Sequence[SocialFetchError | str]


def ends_at(events: Events, handles: int = 1_000) -> int | None:
    """Return the number of the event, from 1, that ends the run."""
    brakes = Brakes()
    for number, event in enumerate(events, 1):
        handle = f"u{number % handles}"
        if isinstance(event, str):
            rows, invalid_rows = _PAGES[event]
            ends = brakes.page_came(handle, rows=rows, invalid_rows=invalid_rows)
        else:
            ends = brakes.failed(handle, event)
        if ends:
            return number
    return None


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([AuthenticationError("x.", status=401)], 1),
        ([InsufficientCreditsError("x.", status=402)], 1),
        ([PermissionDeniedError("x.", status=403)], 1),
        ([BUSY, UNANSWERED], 2),
        ([UNREADABLE] * 6, 5),
        ([UNREADABLE] * 4 + [PAGE] * 16 + [UNREADABLE] * 4, None),
        ([UNREADABLE] * 4 + [PAGE] * 4 + [UNREADABLE] * 4, 10),  # four take one back
        ([PAGE] * 100 + [UNREADABLE] * 6, 105),
        ([PAGE, UNREADABLE] * 9, 14),
        ([PAGE] * 10 + [UNREADABLE] * 10, 15),
        (([PAGE] * 5 + [UNREADABLE]) * 100, None),
        ([UNREADABLE, BUSY, UNREADABLE, UNREADABLE, LOOKUP, UNREADABLE, UNREADABLE], 7),
        ([DAMAGED] * 6, 5),
        ([DAMAGED_TWICE] * 6, 3),  # each was bought twice
        ([DAMAGED, DAMAGED_TWICE, DAMAGED, DAMAGED], 4),
        ([UNREADABLE_TWICE] * 6, 5),  # the attempt before failed otherwise
        ([CUT_OFF] * 100, None),
        ([NO_ROW_READ] * 6, 5),
        ([NO_ROW_READ, UNREADABLE] * 3, 5),
        ([NO_ROW_READ] * 4 + [IN_PART] * 16 + [NO_ROW_READ] * 4, None),
        ([NO_ROW_READ] * 4 + [NO_ROWS] * 16 + [NO_ROW_READ] * 4, None),
        ([GONE] * 11, 10),
        ([REDIRECT] * 11, 10),
        ([NO_TRUST] * 11, 10),
        ([GONE] * 9 + [PAGE] + [GONE] * 9, None),
        ([GONE] * 9 + [REDIRECT] * 9, None),
        ([GONE] * 9 + [REDIRECT] * 10, 19),
        ([REDIRECT, NO_TRUST] * 20, None),
        ([GONE] * 9 + [BAD] + [GONE] * 9, None),
        ([BAD] * 100, None),
        ([LOOKUP] * 100, None),
        ([CIRCLE] * 100, None),
        ([BUSY] * 100, None),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
def test_what_ends_a_run(events: Events, end: int | None) -> None:
    """What every handle would fail with ends it; what another may not meet does not."""
    assert ends_at(events) == end


@pytest.mark.parametrize(("handles", "end"), [(1, None), (2, None), (3, 5), (4, 5)])
@pytest.mark.parametrize("event", [UNREADABLE, NO_ROW_READ], ids=["answer", "rows"])
def test_unreadable_answers_of_few_handles_do_not(
    event: SocialFetchError | str, handles: int, end: int | None
) -> None:
    """One or two odd profiles are not a new format."""
    assert ends_at([event] * 20, handles) == end


def test_different_statuses_are_different_failures() -> None:
    """A 405 and a 411 in turns are not the same thing ten times; one of them is."""
    two = [APIStatusError("x.", status=405), APIStatusError("x.", status=411)]
    assert ends_at(two * 20) is None
    assert ends_at(two[:1] * 20) == 10


def test_it_says_true_or_false() -> None:
    """A run asks after every failure."""
    brakes = Brakes()
    assert brakes.failed("ada", BUSY) is False
    assert brakes.failed("ada", GONE) is False

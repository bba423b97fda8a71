"""What a batch would cost: from the pages that are there, and the vendor's counts on them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from socialfetch_async.journal import SavedHandle, SavedRun, Step, Wanted

# How a batch ends: everything it asked for is there; handles failed; its credits were spent;
# somebody stopped it; an error ended it.
BatchStopReason = Literal["complete", "failed", "max_credits", "stopped", "error"]

_ON_A_PAGE: Final = 20  # followers, as long as no page of a list is known


class HandleEstimate(NamedTuple):
    """What is left of one handle.

    Attributes:
        lookup_status: The vendor's outcome; None before its first page.
        total_followers: The vendor's count, if there is one.
        credits_left: Credits left to buy; None if that is not known.
    """

    handle: str
    lookup_status: str | None
    total_followers: int | None
    credits_left: int | None


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch would cost.

    Attributes:
        handles: One entry for each handle, in the order given.
        total_followers: The vendor's counts, together.
        credits_left: To buy, as far as known.
        not_asked: How many handles have no first page, so that their price is not known: more
            than one credit each, most often.
        stop_reason: Why the call ended, as in a `BatchResult`: `max_credits` when the limit left
            some handles without a first page.
        unavailable: How many handles have no list.
        credits_charged: By this call.
        balance: The account's balance in credits; None if it could not be asked for.
        journal: Where the pages are.
    """

    handles: tuple[HandleEstimate, ...]
    total_followers: int
    credits_left: int
    unavailable: int
    not_asked: int = 0
    stop_reason: BatchStopReason = "complete"
    credits_charged: int = 0
    balance: int | None = None
    journal: Path | None = None


def estimate_of(
    saved: SavedRun, steps: Mapping[str, Step], wanted: Wanted, price: int = 1
) -> Estimate:
    """Return what the steps of a plan would cost.

    Args:
        saved: What is there.
        steps: The plan.
        wanted: What was planned.
        price: Of a page, in credits.
    """
    entries = tuple(_entry(handle, saved, step, wanted, price) for handle, step in steps.items())
    return Estimate(
        handles=entries,
        total_followers=sum(entry.total_followers or 0 for entry in entries),
        credits_left=sum(entry.credits_left or 0 for entry in entries),
        unavailable=sum(entry.lookup_status not in {None, "found"} for entry in entries),
        not_asked=sum(entry.lookup_status is None for entry in entries),
    )


def _entry(handle: str, saved: SavedRun, step: Step, wanted: Wanted, price: int) -> HandleEstimate:
    one = saved.handles.get(handle.lower())
    if one is None:
        return HandleEstimate(handle, None, None, price if wanted.max_pages == 1 else None)
    left = _pages_left(one, saved.rows_per_page(handle) or _ON_A_PAGE, step, wanted)
    credits_left = None if left is None else left * price
    return HandleEstimate(handle, one.lookup_status, one.total_followers, credits_left)


def _pages_left(saved: SavedHandle, rows: int, step: Step, wanted: Wanted) -> int | None:
    if step.do == "nothing":
        return 0
    if step.do in {"ask_again", "read_new"}:
        return 1
    total = saved.total_followers
    if total is None and wanted.max_pages is None:
        return None
    followers, pages = step.followers, step.pages
    wished = [] if total is None else [total]
    wished += [] if wanted.max_followers is None else [wanted.max_followers]
    left = [math.ceil((min(wished) - followers) / rows)] if wished else []
    left += [] if wanted.max_pages is None else [wanted.max_pages - pages]
    return max(1, min(left))

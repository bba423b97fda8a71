"""How lists end, and how long something takes, in words for people."""

from typing import Final

from socialfetch_async._text import count
from socialfetch_async.events import HandleDone

_STATUSES: Final = {
    "missing_cursor": "ended without a next cursor",
    "max_followers": "reached the limit of followers",
    "max_pages": "reached the limit of pages",
    "max_credits": "reached the credit limit",
    "stopped": "interrupted",
    "not_begun": "not started",
    "not_found": "not found",
}
"""Phrases for people, of the statuses that are not one plain word."""


def status_in_words(name: str) -> str:
    """Return how a list ended, in words."""
    return _STATUSES.get(name, name)


def ended(done: HandleDone) -> str:
    """Return a line about a handle that ended."""
    parts = [f"{done.handle}: {status_in_words(done.outcome)}"]
    if done.status != "unavailable":
        parts.append(count(done.followers, "follower"))
    return ", ".join([*parts, count(done.credits_charged, "credit")])


def duration(seconds: float) -> str:
    """Return a duration as people read it, from whole seconds to days."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"

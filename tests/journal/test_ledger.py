"""What was charged, and what may have been besides, as a table of what the lines say."""

from typing import Any

import pytest

from socialfetch_async.journal.ledger import Ledger

OPENED, NOTED, CLOSED = "opened", "noted", "closed"
PAID, SETTLED, NEXT_FILE = "paid", "settle", "next_file"


@pytest.mark.parametrize(
    ("lines", "before", "maybe_charged", "spent"),
    [
        ([], 0, 0, {}),
        ([(PAID, 2)], 0, 0, {None: 2}),
        # While a session has no end, all that may be on their way count; before it, nothing does.
        ([(OPENED, 7, "a")], 0, 7, {"a": 7}),
        ([(OPENED, 7, "a"), (NOTED, 2), (NOTED, 3)], 0, 10, {"a": 10}),
        # What it says at its end counts then, whatever it said before.
        ([(OPENED, 7, "a"), (NOTED, 2), (CLOSED, 4)], 4, 4, {"a": 4}),
        ([(OPENED, 7, "a"), (PAID, 1), (CLOSED, 4), (PAID, 1)], 4, 4, {"a": 6}),
        ([(OPENED, 7, "a"), (CLOSED, 4), (OPENED, 2, "a"), (CLOSED, 1)], 5, 5, {"a": 5}),
        # One that another follows was killed.
        ([(OPENED, 7, "a"), (NOTED, 2), (OPENED, 3, "b")], 9, 12, {"a": 9, "b": 3}),
        ([(OPENED, 7, "a"), (OPENED, 3, "a"), (CLOSED, 1)], 8, 8, {"a": 8}),
        ([(OPENED, 1, "a"), (OPENED, 2, "a"), (OPENED, 4, "a")], 3, 7, {"a": 7}),
        # What was on its way counts at the highest price, wherever that was paid.
        ([(OPENED, 2, "a"), (OPENED, 3, "b"), (PAID, 5)], 10, 25, {"a": 10, "b": 20}),
        ([(PAID, 5), (PAID, 2), (OPENED, 1, "a")], 0, 5, {None: 7, "a": 5}),
        ([(PAID, 0), (OPENED, 1, "a")], 0, 1, {"a": 1}),
        # A bound that was settled is one for all together, and for each by itself.
        ([(OPENED, 7, "a"), (CLOSED, 6), (OPENED, 3, "b"), (SETTLED, 4)], 4, 4, {"a": 4, "b": 3}),
        ([(OPENED, 7, "a"), (NOTED, 2), (SETTLED, 8), (CLOSED, 1)], 9, 9, {"a": 9}),
        ([(OPENED, 7, "a"), (CLOSED, 6), (SETTLED, 100)], 6, 6, {"a": 6}),
        ([(OPENED, 2, "a"), (OPENED, 3, "b"), (PAID, 2), (SETTLED, 5)], 5, 5, {"a": 4, "b": 7}),
        # Files are settled by themselves, and no session goes on in another one.
        ([(OPENED, 7, "a"), (NEXT_FILE,)], 7, 7, {"a": 7}),
        ([(OPENED, 7, "a"), (NEXT_FILE,), (CLOSED, 1)], 8, 8, {"a": 7, None: 1}),
        ([(OPENED, 7, "a"), (CLOSED, 5), (NEXT_FILE,), (OPENED, 7, "a"), (CLOSED, 5), (SETTLED, 2)],
         7, 7, {"a": 7}),
        ([(OPENED, 5, "a"), (NEXT_FILE,), (OPENED, 6, "a"), (NEXT_FILE,), (OPENED, 7, "a")],
         11, 18, {"a": 18}),
        ([(OPENED, 5, "a"), (CLOSED, 4), (NEXT_FILE,), (OPENED, 6, "a"), (CLOSED, 3), (NEXT_FILE,)],
         7, 7, {"a": 7}),
    ],
)  # fmt: skip
def test_what_may_have_been_charged(
    lines: list[tuple[Any, ...]], before: int, maybe_charged: int, spent: dict[str | None, int]
) -> None:
    """In all, but for the last session, and for each piece of work with what was charged."""
    ledger = Ledger()
    for name, *values in lines:
        getattr(ledger, name)(*values)

    assert ledger.maybe_charged_before == before
    assert ledger.maybe_charged == maybe_charged
    assert {work: credits_ for work, credits_ in ledger.spent().items() if credits_} == spent
    assert ledger.credits_charged == sum(line[1] for line in lines if line[0] == PAID)

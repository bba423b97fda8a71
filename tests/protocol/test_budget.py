"""The budget: never more is spent than allowed, and never less is usable."""

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async._protocol.budget import Budget


def state(budget: Budget) -> tuple[int, int]:
    """Return what is spent and what is reserved."""
    return budget.spent, budget.reserved


def test_a_new_budget_has_spent_nothing() -> None:
    """A new budget has spent and reserved nothing, with a limit or without."""
    assert state(Budget()) == state(Budget(5)) == (0, 0)


def test_without_a_limit_everything_is_allowed() -> None:
    """Without a limit each reservation is granted, and still counted."""
    budget = Budget()

    assert [budget.reserve() for _ in range(1000)] == [1] * 1000
    assert state(budget) == (0, 1000)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_limit_is_usable_to_the_last_credit(limit: int) -> None:
    """A limit of N is exactly N one-credit pages, one after the other."""
    budget = Budget(limit)
    for spent in range(limit):
        assert state(budget) == (spent, 0)
        assert budget.reserve() == 1
        assert state(budget) == (spent, 1)
        budget.settle(1, 1)

    assert budget.reserve() == 0
    assert state(budget) == (limit, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_requests_on_the_wire_count(limit: int) -> None:
    """A limit of N allows N requests at once, and a refusal reserves nothing."""
    budget = Budget(limit)

    assert [budget.reserve() for _ in range(limit + 2)] == [1] * limit + [0, 0]
    assert state(budget) == (0, limit)


def test_a_limit_of_nothing_allows_nothing() -> None:
    """With no credits allowed no request leaves."""
    assert Budget(0).reserve() == 0


def test_what_was_not_charged_can_be_used_again() -> None:
    """A reservation that cost nothing is free for the next request."""
    budget = Budget(1)
    budget.settle(budget.reserve(), 0)

    assert state(budget) == (0, 0)
    assert budget.reserve() == 1


def test_the_highest_price_seen_is_reserved() -> None:
    """The price to reserve rises with the highest cost seen and never falls again."""
    budget = Budget()
    reserved = []
    for cost in (0, 1, 3, 2, 0, 5, 1):
        reserved.append(budget.reserve())
        budget.settle(reserved[-1], cost)

    assert reserved == [1, 1, 1, 3, 3, 3, 5]
    assert state(budget) == (12, 0)


@pytest.mark.parametrize(("limit", "granted"), [(5, 0), (6, 3), (7, 3)])
def test_a_higher_price_must_fit_as_a_whole(limit: int, granted: int) -> None:
    """After a page of three credits the next is asked for only if three more are allowed."""
    budget = Budget(limit)
    budget.settle(budget.reserve(), 3)

    assert budget.reserve() == granted
    assert state(budget) == (3, granted)


def test_settling_removes_what_was_reserved() -> None:
    """A settlement takes back its own reservation, whatever the price is by then."""
    budget = Budget(10)
    first, second = budget.reserve(), budget.reserve()
    budget.settle(first, 4)
    third = budget.reserve()

    assert (first, second, third) == (1, 1, 4)
    assert state(budget) == (4, 5)
    budget.settle(second, 0)
    assert state(budget) == (4, 4)
    budget.settle(third, 1)
    assert state(budget) == (5, 0)


@given(
    limit=st.integers(0, 20),
    moves=st.lists(st.sampled_from(["reserve", "charged", "free"]), max_size=80),
)
@settings(deadline=None, max_examples=300)
def test_one_credit_pages_never_exceed_the_limit(limit: int, moves: list[str]) -> None:
    """In any order of requests and answers at most the limit is spent, and all of it can be."""
    budget = Budget(limit)
    wire = charged = 0
    for move in moves:
        if move == "reserve":
            granted = budget.reserve()
            assert granted == (charged + wire < limit)
            wire += granted
        elif wire:
            wire -= 1
            charged += move == "charged"
            budget.settle(1, int(move == "charged"))
        assert state(budget) == (charged, wire)
        assert charged + wire <= limit
    while budget.reserve():
        wire += 1
    assert charged + wire == limit


@given(
    limit=st.none() | st.integers(0, 60),
    moves=st.lists(st.none() | st.integers(0, 7), max_size=60),
)
@settings(deadline=None, max_examples=300)
def test_any_prices_follow_the_model(limit: int | None, moves: list[int | None]) -> None:
    """With any prices a request is granted exactly when the highest price seen still fits."""
    budget = Budget(limit)
    wire: list[int] = []
    spent, price = 0, 1
    for cost in moves:
        if cost is None:
            fits = limit is None or spent + sum(wire) + price <= limit
            granted = budget.reserve()
            assert granted == (price if fits else 0)
            wire += [granted] * fits
        elif wire:
            budget.settle(wire.pop(0), cost)
            spent, price = spent + cost, max(price, cost)
        assert state(budget) == (spent, sum(wire))

"""The budget: never more is spent than allowed, and never less is usable."""

import random

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async._protocol.budget import Budget, Price


def priced(limit: int | None = None, price: int = 1, within: Budget | None = None) -> Budget:
    """Return a budget whose price is known."""
    budget = Budget(limit, within=within)
    budget.price.seen(price)
    return budget


def state(budget: Budget) -> tuple[int, int]:
    """Return what is spent and what is reserved."""
    return budget.spent, budget.reserved


def test_a_new_budget_has_spent_nothing() -> None:
    """A new budget has spent and reserved nothing, with a limit or without."""
    assert state(Budget()) == state(Budget(5)) == (0, 0)


def test_a_new_price_is_the_documented_one() -> None:
    """Nobody has said it yet, and nobody asks; then a page says it."""
    price = Price()
    assert (price.credits, price.known, price.asking) == (1, False, False)
    price.asking = True
    price.seen(3)
    assert (price.credits, price.known, price.asking) == (3, True, False)


def test_without_a_limit_everything_is_allowed() -> None:
    """Each reservation is granted, and still counted, whether or not the price is known."""
    for budget in (Budget(), priced(), Budget(within=Budget())):
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
    assert budget.used_up()
    assert state(budget) == (limit, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_requests_on_the_wire_count(limit: int) -> None:
    """A limit of N allows N requests at once, and a refusal reserves nothing."""
    budget = priced(limit)

    assert [budget.reserve() for _ in range(limit + 2)] == [1] * limit + [0, 0]
    assert state(budget) == (0, limit)
    assert not budget.used_up()  # one of them may be free


@pytest.mark.parametrize(("limit", "price"), [(0, 1), (4, 5), (6, 7)])
def test_a_limit_below_the_price_allows_nothing(limit: int, price: int) -> None:
    """No request leaves when its price is known not to fit."""
    budget = priced(limit, price)

    assert budget.reserve() == 0
    assert budget.used_up()


# -- the price ----------------------------------------------------------------------------------


def test_while_the_price_is_not_known_one_request_goes_first() -> None:
    """Alone among those with a limit, whichever budget of the client they are paid from."""
    client = Budget()
    first, second, free = Budget(10, within=client), Budget(10, within=client), Budget()
    unlimited = Budget(within=client)

    assert first.reserve() == 1
    assert (first.reserve(), second.reserve()) == (0, 0)
    assert (unlimited.reserve(), free.reserve()) == (1, 1)
    assert not second.used_up()
    first.settle(1, 5)
    assert (first.reserve(), second.reserve(), second.reserve()) == (5, 5, 5)
    assert second.reserve() == 0


@pytest.mark.parametrize("end", ["release", "keep"])
def test_a_request_that_brings_no_price_lets_the_next_one_ask(end: str) -> None:
    """Charged or not."""
    budget = Budget(10)
    assert budget.reserve() == 1
    getattr(budget, end)(1)
    assert budget.reserve() == 1
    assert budget.reserve() == 0


def test_a_free_page_says_nothing_of_the_price() -> None:
    """It may come from a cache: ten that follow it at 5 would pass a limit of 7 at once."""
    budget = Budget(7)
    budget.settle(budget.reserve(), 0)
    assert not budget.price.known

    granted = [budget.reserve(), budget.reserve()]
    budget.settle(granted[0], 5)

    assert granted == [1, 0]
    assert budget.reserve() == 0
    assert budget.spent == 5


def test_what_was_lost_before_the_price_was_known_counts_at_the_price() -> None:
    """As soon as that is known, everywhere."""
    client = Budget(20)
    run = Budget(12, within=client)
    for _ in range(2):
        run.keep(run.reserve())
    assert (run.maybe_charged, client.maybe_charged) == (2, 2)
    run.settle(run.reserve(), 4)
    assert (run.maybe_charged, client.maybe_charged) == (8, 8)
    assert (run.spent, client.spent) == (12, 12)
    assert run.reserve() == 0
    assert Budget(within=client).reserve() == 4


def test_a_client_has_one_price() -> None:
    """The highest seen by any of its lists; it never falls again."""
    client = Budget()
    one, two = Budget(100, within=client), Budget(100, within=client)
    reserved = []
    for budget, cost in ((one, 0), (two, 1), (one, 3), (two, 2), (one, 0), (two, 5), (one, 1)):
        reserved.append(budget.reserve())
        budget.settle(reserved[-1], cost)

    assert reserved == [1, 1, 1, 3, 3, 3, 5]
    assert state(client) == (12, 0)
    assert Budget(4, within=client).reserve() == 0


def test_a_price_may_be_known_before_the_first_page() -> None:
    """A journal has kept what pages cost."""
    client = Budget()
    client.price.seen(5)
    run = Budget(12, within=client)

    assert [run.reserve() for _ in range(3)] == [5, 5, 0]


@pytest.mark.parametrize(("limit", "granted"), [(5, 0), (6, 3), (7, 3)])
def test_a_higher_price_must_fit_as_a_whole(limit: int, granted: int) -> None:
    """After a page of three credits the next is asked for only if three more are allowed."""
    budget = Budget(limit)
    budget.settle(budget.reserve(), 3)

    assert budget.reserve() == granted
    assert state(budget) == (3, granted)


# -- settling -----------------------------------------------------------------------------------


def test_what_was_not_charged_can_be_used_again() -> None:
    """A reservation that cost nothing is free for the next request."""
    budget = Budget(1)
    budget.release(budget.reserve())

    assert state(budget) == (0, 0)
    assert budget.reserve() == 1


def test_what_may_have_been_charged_counts() -> None:
    """At the price that was set aside for it."""
    budget = priced(10, 5)
    budget.keep(budget.reserve())

    assert state(budget) == (5, 0)
    assert budget.maybe_charged == 5
    assert budget.reserve() == 5
    assert budget.reserve() == 0


@pytest.mark.parametrize(
    ("said", "counted", "price"), [(None, 3, 3), (0, 3, 3), (2, 3, 3), (5, 5, 5)]
)
def test_an_answer_that_cannot_be_read_may_say_its_price(
    said: int | None, counted: int, price: int
) -> None:
    """It counts as that if it is more, and the next request sets so much aside."""
    budget = priced(100, 3)

    assert budget.keep(budget.reserve(), said) == counted
    assert state(budget) == (counted, 0)
    assert budget.reserve() == price


def test_what_was_set_aside_for_nothing_is_counted_as_nothing() -> None:
    """A route that is free has no reservation."""
    assert Budget().keep(0) == 0


def test_a_price_that_only_an_unreadable_answer_said_is_known() -> None:
    """The next request does not go first and alone to learn it."""
    budget = Budget(10)
    budget.keep(budget.reserve(), 2)

    assert [budget.reserve() for _ in range(5)] == [2, 2, 2, 2, 0]


def test_whether_a_request_of_the_client_is_on_the_wire() -> None:
    """Whichever of its budgets it is paid from."""
    client = Budget()
    one, two = Budget(within=client), Budget(within=client)
    assert not two.in_flight()
    for _ in range(2):
        one.reserve()
        assert two.in_flight()
        assert one.in_flight()
        assert client.in_flight()
        one.release(1)
    assert not two.in_flight()


def test_a_release_lets_the_next_one_ask() -> None:
    """And says so."""
    budget = Budget(10)
    budget.release(budget.reserve())
    assert budget.price.asking is False


def test_settling_removes_what_was_reserved() -> None:
    """A settlement takes back its own reservation, whatever the price is by then."""
    budget = priced(10)
    first, second = budget.reserve(), budget.reserve()
    budget.settle(first, 4)
    third = budget.reserve()

    assert (first, second, third) == (1, 1, 4)
    assert state(budget) == (4, 5)
    budget.release(second)
    assert state(budget) == (4, 4)
    budget.settle(third, 1)
    assert state(budget) == (5, 0)


# -- several limits -----------------------------------------------------------------------------


def test_a_request_reserves_from_all_limits_or_from_none() -> None:
    """What one of them refuses is not set aside in the other."""
    client = priced(3)
    wide, narrow = Budget(10, within=client), Budget(1, within=client)

    assert (narrow.reserve(), narrow.reserve()) == (1, 0)
    assert state(client) == (0, 1)
    assert [wide.reserve() for _ in range(3)] == [1, 1, 0]
    assert (state(client), state(wide)) == ((0, 3), (0, 2))
    assert not wide.used_up()
    narrow.settle(1, 1)
    wide.settle(1, 1)
    wide.settle(1, 1)
    assert wide.used_up()
    assert (client.spent, wide.spent, narrow.spent) == (3, 2, 1)


def test_a_closed_budget_closes_no_other() -> None:
    """A run that was stopped does not stop the client."""
    client = priced(10)
    one, two = Budget(within=client), Budget(within=client)
    one.closed = "stopped"

    assert (one.reserve(), two.reserve()) == (0, 1)


@pytest.mark.parametrize("price", [1, 2, 5, 7])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("concurrency", [1, 3, 10, 50])
def test_no_limit_is_passed_and_each_is_used(price: int, concurrency: int, *, known: bool) -> None:
    """Limits of 1 to 100 for a client and two runs: at most a price less one is left over."""
    for client_limit in (None, *range(1, 101, 7)):
        for run_limit in range(1, 101, 9):
            draw = random.Random(f"{client_limit}/{run_limit}")
            client = Budget(client_limit)
            if known:
                client.price.seen(price)
            runs = [Budget(run_limit, within=client) for _ in range(2)]
            wire: list[tuple[Budget, int]] = []
            while not all(run.used_up() for run in runs):
                for run in draw.sample(runs, 2):
                    while len(wire) < concurrency and (granted := run.reserve()):
                        wire.append((run, granted))
                run, granted = wire.pop(draw.randrange(len(wire)))
                if draw.random() < 0.2:
                    run.release(granted)  # a refusal
                else:
                    run.settle(granted, price)
            assert not wire
            assert_kept(client, runs, client_limit, run_limit, price, known=known)


def assert_kept(
    client: Budget,
    runs: list[Budget],
    client_limit: int | None,
    run_limit: int,
    price: int,
    *,
    known: bool,
) -> None:
    """Each limit holds, and what stopped the runs left no room for another page.

    Only the first page of all can pass a limit, if that is below a price nobody knew.
    """
    smallest = min(run_limit, client_limit or run_limit)
    if not known and smallest < price:
        assert client.spent == price or client.spent <= (client_limit or client.spent)
        return
    assert all(run.spent <= run_limit for run in runs)
    assert client_limit is None or client.spent <= client_limit
    of_runs = sum(min(run_limit, client_limit or run_limit) // price * price for _ in runs)
    allowed = of_runs if client_limit is None else min(of_runs, client_limit)
    assert client.spent >= allowed - price + 1


# -- models -------------------------------------------------------------------------------------


@given(
    limit=st.integers(0, 20),
    moves=st.lists(st.sampled_from(["reserve", "charged", "free", "lost"]), max_size=80),
)
@settings(deadline=None, max_examples=300)
def test_one_credit_pages_never_exceed_the_limit(limit: int, moves: list[str]) -> None:
    """In any order of requests and answers at most the limit is spent, and all of it can be."""
    budget = priced(limit)
    wire = charged = 0
    for move in moves:
        if move == "reserve":
            granted = budget.reserve()
            assert granted == (charged + wire < limit)
            wire += granted
        elif wire:
            wire -= 1
            charged += move != "free"
            if move == "charged":
                budget.settle(1, 1)
            else:
                (budget.keep if move == "lost" else budget.release)(1)
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
    budget = priced(limit)
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

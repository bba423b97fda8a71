"""Shards, leases and parts of a rate: what workers are given is never more than there is."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from socialfetch_async.cluster.leases import Leases, Shard, shards_of, share

HANDLES = st.text("abcXYZ._09", min_size=1, max_size=8)
# On a busy machine a few texts may take seconds.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(handles=st.dictionaries(HANDLES, st.none() | st.text(min_size=1)), count=st.integers(1, 9))
def test_every_handle_is_in_one_shard(handles: dict[str, str | None], count: int) -> None:
    """With its cursor, and in the same shard whatever the other handles and its case are."""
    shards = shards_of(handles, count)
    assert len({shard.name for shard in shards}) == count
    dealt = [pair for shard in shards for pair in shard.handles.items()]
    assert sorted(dealt) == sorted(handles.items())
    for number, shard in enumerate(shards):
        for handle in shard.handles:
            assert shards_of({handle.swapcase(): None}, count)[number].handles


def test_what_a_shard_has_spent() -> None:
    """Nothing at first; then what it cost at most, less what it had cost before this work."""
    shard = Shard("0000-of-0001")
    assert (shard.left, shard.failed, shard.fruitless, shard.spent) == (0, 0, 0, 0)
    assert (shard.credits_charged, shard.maybe_charged, shard.before) == (0, 0, 0)
    shard.credits_charged, shard.maybe_charged, shard.before = 9, 4, 3
    assert shard.spent == 10


@UNHURRIED
@given(
    budget=st.integers(1, 3_000),
    workers=st.integers(1, 8),
    smallest=st.integers(1, 50),
    data=st.data(),
)
def test_leases_never_exceed_the_budget_and_use_it_up(
    budget: int, workers: int, smallest: int, data: st.DataObject
) -> None:
    """At most the budget is lent and spent at any time, and with work enough all of it is spent."""
    leases, spent = Leases(budget, 0, smallest), 0
    running: list[int] = []
    while running or not leases.exhausted:
        while len(running) < workers and not leases.exhausted:
            lease = leases.lend(workers)
            assert lease is not None
            assert lease >= 1
            running.append(lease)
        assert spent + sum(running) <= budget
        lease = running.pop(data.draw(st.integers(0, len(running) - 1)))
        # A shard that ends early brings credits back.
        used = data.draw(st.sampled_from([lease, lease, max(1, lease // 2)]))
        leases.settle(lease, used)
        spent += used
    assert spent == budget


@pytest.mark.parametrize(
    ("spent", "smallest", "workers", "lent"),
    [
        (0, 10, 2, [25, 18, 14, 10, 10, 10, 10, 3]),  # a quarter each time, while that is worth it
        (0, 30, 2, [30, 30, 30, 10]),
        (0, 10, 5, [10] * 10),
        (40, 10, 2, [15, 11, 10, 10, 10, 4]),
        (99, 10, 2, [1]),
        (100, 10, 2, []),
        (130, 10, 2, []),  # an earlier call had a higher limit
    ],
)
def test_leases_shrink_with_what_is_left(
    spent: int, smallest: int, workers: int, lent: list[int]
) -> None:
    """Of 100 credits: half of an even part, not less than the smallest, to the last credit."""
    leases, found = Leases(100, spent, smallest), list[int | None]()
    while not leases.exhausted:
        found.append(leases.lend(workers))
    assert found == lent


def test_without_a_limit_nothing_is_counted() -> None:
    """A lease of None is no limit."""
    leases = Leases(None, 0, 10)
    assert leases.lend(4) is None
    leases.settle(None, 1_000)
    assert not leases.exhausted


@pytest.mark.parametrize(
    ("lent", "workers", "part"),
    [
        (0, 4, 25),
        (75, 4, 25),
        (80, 4, 20),  # what is left is worth it
        (87.5, 4, 12.5),  # half of an even part just so
        (90, 4, 0),  # and here it is not
        (100, 1, 0),  # one had it all before the others came
        (0, 1, 100),
    ],
)
def test_the_rate_is_split(lent: float, workers: int, part: float) -> None:
    """An even part for each worker, never more than is free."""
    assert share(100, lent, workers) == part

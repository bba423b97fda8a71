"""When followers were first seen, in little memory."""

import sys

from hypothesis import given, strategies as st

from socialfetch_async.journal.first_seen import FirstSeen, Seen

pages = st.lists(st.tuples(st.lists(st.sampled_from("abcdefghij")), st.integers(1, 9)))


@given(seen=pages, expected=st.integers(0, 9))
def test_it_is_the_earliest_page(seen: list[tuple[list[str], int]], expected: int) -> None:
    """Whatever the order of the pages, and whether as many came as were expected."""
    first = FirstSeen(lambda: iter([(names, float(at)) for names, at in seen]), expected)
    for name in "abcdefghijk":
        times = [at for names, at in seen if name in names]
        assert first.at(name) == min(times, default=None)


def test_a_follower_takes_few_bytes() -> None:
    """Also where more came than were expected; nothing is read before it is asked for."""
    for followers, expected, most in ((10_000, 10_000, 40), (10_000, 0, 40), (5_500, 5_500, 40)):
        looked: list[int] = []

        def read(followers: int = followers, looked: list[int] = looked) -> Seen:
            looked.append(followers)
            for n in range(0, followers, 20):
                yield [f"user.{at}" for at in range(n, n + 20)], float(n)

        first = FirstSeen(read, expected)
        assert looked == []
        assert first.at("user.45") == 40
        assert first.at("another") is None
        held = sum(map(sys.getsizeof, vars(first).values()))
        assert held < most * followers
        assert looked == [followers]

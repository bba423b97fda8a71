"""Who is in a list that moves, against a list that is one; and how fast it moves."""

import pytest
from hypothesis import given, strategies as st

from socialfetch_async.emulator.growth import Growth
from socialfetch_async.emulator.roster import Roster


@given(
    size=st.integers(0, 12),
    moves=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=6),
    start=st.integers(-30, 20),
    count=st.integers(0, 8),
)
def test_it_is_a_list(size: int, moves: list[tuple[bool, int]], start: int, count: int) -> None:
    """Size, places and what follows are those of a list that is held."""
    roster, held = Roster(0, size), list(range(size))
    for gains, number in moves:
        if gains:
            held = [*range(roster.newest - number, roster.newest), *held]
            roster = roster.gain(number)
        else:
            gone = held[:: number + 1]
            held = [who for who in held if who not in gone]
            roster = roster.lose(gone)
    assert roster.size == len(held)
    assert [roster.at(position) for position in range(len(held))] == held
    assert [roster.before(who) for who in held] == list(range(len(held)))
    assert [who in roster for who in range(-40, 20)] == [who in held for who in range(-40, 20)]
    assert roster.following(start, count) == [who for who in held if who >= start][:count]


@pytest.mark.parametrize(
    ("rate", "seconds", "due"),
    [
        ("5/min", 59, 4),
        ("5/min", 60, 5),
        ("0.5/s", 3, 1),
        ("+2/h", 3600, 2),
        ("-2/h", 5400, -3),
        ("0/s", 9e9, 0),
    ],
)
def test_what_is_due(rate: str, seconds: float, due: int) -> None:
    """Whole followers since the beginning, each once; nobody before it, nobody elsewhere."""
    now = [100.0]
    growth = Growth({"Ada": rate}, lambda: now[0])
    now[0] = 200.0
    assert growth.due("ada") == 0
    growth.begin()
    now[0] += seconds / 2
    first = growth.due("ada")
    now[0] += seconds / 2
    assert first + growth.due("ada") == due
    assert growth.due("ada") == growth.due("bo") == 0


@pytest.mark.parametrize("rate", ["5", "5/day", "/s", "five/s", "5 / s", "nan/s", "1e3/s", ""])
def test_a_text_that_is_no_rate_is_refused(rate: str) -> None:
    """The message has the handle, the text and an example."""
    with pytest.raises(ValueError, match=r"growth of ada .* 5/min"):
        Growth({"ada": rate})

"""Who is in a list that moves: numbers, the newest lowest, without a list of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple


class Roster(NamedTuple):
    """The numbers from the newest follower to the oldest.

    A number belongs to a person for good. A cursor that says a number is therefore a place in the
    list whoever comes or leaves: those who come later stand before it.

    Attributes:
        newest: The number of the newest: 0, and one less with each one gained.
        end: The number behind the oldest.
        lost: The numbers between these of those who left, in order.
    """

    newest: int
    end: int
    lost: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many are in the list."""
        return self.end - self.newest - len(self.lost)

    def gain(self, count: int) -> "Roster":
        """Return the list with new ones at the top."""
        return self._replace(newest=self.newest - count)

    def lose(self, numbers: Iterable[int]) -> "Roster":
        """Return the list without some who are in it."""
        return self._replace(lost=tuple(sorted({*self.lost, *numbers})))

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.before(number) < self.before(number + 1)

    def before(self, number: int) -> int:
        """Return how many stand before a number."""
        number = min(max(number, self.newest), self.end)
        return number - self.newest - bisect_left(self.lost, number)

    def at(self, position: int) -> int:
        """Return the number at a position, 0 for the newest."""
        between = range(self.newest, self.end)
        found = bisect_right(between, position, key=lambda number: self.before(number + 1))
        return between[found]

    def following(self, number: int, count: int) -> list[int]:
        """Return so many from a number on, or from the next one if that has left."""
        start = max(number, self.newest)
        gone = bisect_left(self.lost, start)
        found: list[int] = []
        for candidate in range(start, self.end):
            if len(found) >= count:
                break
            if gone < len(self.lost) and self.lost[gone] == candidate:
                gone += 1
            else:
                found.append(candidate)
        return found

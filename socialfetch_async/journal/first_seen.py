"""When followers were first seen, in the readings before the one that is shown."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Final

# The followers of a page, with when it was saved in seconds of the epoch.
Seen = Iterator[tuple[Iterable[str], float]]

_BITS: Final = (1 << 64) - 1


class FirstSeen:
    """When followers were first seen: 19 to 40 bytes for each of them, where a dict takes 110.

    Args:
        pages: Returns the pages to look at; called when something is asked for.
        expected: How many followers are on them, about.
    """

    def __init__(self, pages: Callable[[], Seen], expected: int) -> None:
        self._pages: Callable[[], Seen] | None = pages
        self._held = 0
        self._times = array("d")  # different ones
        self._clear(1 << max(3, (3 * expected // 2).bit_length()))

    def _clear(self, size: int) -> None:
        # Open addressing. Two handles that share a hash, of 2**64, would share a date.
        self._mask = size - 1
        self._hashes = array("Q", bytes(8 * size))
        self._numbers = array("I", bytes(4 * size))  # of the times

    def at(self, handle: str) -> float | None:
        """Return when a follower was first seen, in seconds of the epoch; None if it was not."""
        if self._pages is not None:
            pages, self._pages = self._pages, None
            for names, time in pages():
                self._add(names, time)
        slot = self._slot(hash(handle) & _BITS or 1)
        return self._times[self._numbers[slot]] if self._hashes[slot] else None

    def _slot(self, hash_: int) -> int:
        hashes, mask = self._hashes, self._mask
        slot = hash_ & mask
        while (there := hashes[slot]) and there != hash_:
            slot = slot + 1 & mask
        return slot

    def _add(self, names: Iterable[str], time: float) -> None:
        self._times.append(time)
        number = len(self._times) - 1
        for name in names:
            hash_ = hash(name) & _BITS or 1
            slot = self._slot(hash_)
            if not self._hashes[slot]:
                if 3 * self._held > 2 * self._mask:
                    self._grow()
                    slot = self._slot(hash_)
                self._held += 1
                self._hashes[slot], self._numbers[slot] = hash_, number
            elif time < self._times[self._numbers[slot]]:
                self._numbers[slot] = number

    def _grow(self) -> None:
        hashes, numbers = self._hashes, self._numbers
        self._clear(2 * len(hashes))
        for hash_, number in zip(hashes, numbers, strict=True):
            if hash_:
                slot = self._slot(hash_)
                self._hashes[slot], self._numbers[slot] = hash_, number

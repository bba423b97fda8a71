"""Whether a list begins again: what was seen of it, in little memory.

A server that loses its place sends the same rows again under fresh cursors, each page at its
price. New followers shift the pages meanwhile, so rows are compared and not pages. In an honest
list single rows come again, and that says nothing.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from struct import Struct
from typing import Final, Literal

# The first rows are all remembered, since most circles lead to the top, and the last ones, for
# small circles. Of the others those with some zero bits in their hash are, which are the same ones
# wherever a page begins: more of the earlier ones, so that 235,000 pages of 20 rows take 2 MB.
_TOP: Final = 4_096
_RECENT: Final = 1_024
_ONE_IN_8: Final = 0b111
_DENSE: Final = 6_144
_ONE_IN_32: Final = 0b11111

# How many pages that end in a known row, among pages that bring at most as many new rows as known
# ones, show that the list begins again; and, unless every row on them is known, how many known
# rows they need. If one row in 200 comes again by chance, four in a row do so once in a billion.
_PAGES: Final = 3
_ROWS: Final = 4

# How many pages in a row that end in a known row show it, whatever they bring at their top.
_PAGES_IN_A_ROW: Final = 6


Repeat = Literal["same_page", "begins_again"]


class Hashes:
    """A set of hashes in some eight bytes each; a set of Python's takes eighty.

    Two of the values of the largest list share one in a hundred million lists or so.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: defaultdict[int, bytearray] = defaultdict(bytearray)

    def __contains__(self, value: Hashable) -> bool:
        hash_ = hash(value)
        return _packed(hash_) in self._parts.get(hash_ >> 8 & _PARTS, b"")

    def add(self, value: Hashable) -> None:
        """Keep the hash of a value; twice, if it is there."""
        hash_ = hash(value)
        part = self._parts[hash_ >> 8 & _PARTS]
        part += _packed(hash_)


_packed: Final = Struct("q").pack
_PARTS: Final = 0x3FF  # not of the last bits, which are zero in all of a sample


class Seen:
    """The rows of one list so far."""

    __slots__ = (
        "_before",
        "_in_a_row",
        "_known",
        "_mask",
        "_new",
        "_page",
        "_pages",
        "_recent",
        "_sample",
        "_sampled",
        "_top",
    )

    def __init__(self) -> None:
        self._top: set[Hashable] = set()
        self._recent: set[Hashable] = set()  # up to 1,024 of the last rows
        self._before: set[Hashable] = set()  # and the 1,024 before them
        self._sample = Hashes()
        self._sampled = 0  # rows that went into it
        self._mask = 0  # bits that are zero in the hash of a row of the sample, once there is one
        self._page: Sequence[Hashable] = ()  # the page that came last
        self._in_a_row = 0  # pages that end in a known row
        # The same, and rows, since most of the rows began to be known.
        self._pages = self._known = self._new = 0

    def recall(self, rows: Sequence[Hashable]) -> None:
        """Take the rows of an earlier page, which are judged no more."""
        self._remember(rows, self._sample_of(rows))

    def add(self, rows: Sequence[Hashable]) -> Repeat | None:
        """Take the rows of a page that came; return what shows that the list leads nowhere.

        A page that ends in a new row goes on to further ones, whatever came again before it: new
        followers come first, and shift the others onto the next page. One that ends in a known
        row brings at most who is new at the top.

        Args:
            rows: For each row, in the order of the page, what makes it the same as another.
        """
        if not rows:
            return None
        sample = self._sample_of(rows)
        why = None
        if self._is_remembered(rows[-1]) or (sample and self._is_old(sample[-1])):
            why = self._repeats(rows)
        elif sample:
            self._goes_on(rows)
        self._remember(rows, sample)
        self._page = rows
        return why

    def _repeats(self, rows: Sequence[Hashable]) -> Repeat | None:
        """Judge a page that ends in a row which came before."""
        if set(rows) == set(self._page):
            return "same_page"
        known = self._count_known(rows)
        self._in_a_row += 1
        self._pages += 1
        self._known += known
        # Of the rows that are in no sample nobody can tell.
        self._new += max(0, len(self._sample_of(rows)) - known)
        least = _ROWS if self._mask or self._new else _PAGES
        begins_again = self._pages >= _PAGES and self._known >= max(self._new, least)
        if begins_again or self._in_a_row >= _PAGES_IN_A_ROW:
            return "begins_again"
        return None

    def _goes_on(self, rows: Sequence[Hashable]) -> None:
        """Judge a page that ends in a new row."""
        self._in_a_row = 0
        if not self._pages:
            return
        known = self._count_known(rows)
        self._known += known
        self._new += len(rows) - known
        if self._new > self._known:
            self._pages = self._known = self._new = 0

    def _count_known(self, rows: Sequence[Hashable]) -> int:
        return sum(self._is_remembered(row) or row in self._sample for row in rows)

    def _is_remembered(self, row: Hashable) -> bool:
        return row in self._top or row in self._recent or row in self._before

    def _is_old(self, row: Hashable) -> bool:
        # A row of the last pages, with a new one behind it, is an overlap with these pages.
        return row in self._sample and not self._is_remembered(row)

    def _sample_of(self, rows: Sequence[Hashable]) -> Sequence[Hashable]:
        mask = self._mask
        return [row for row in rows if not hash(row) & mask] if mask else rows

    def _remember(self, rows: Sequence[Hashable], sample: Sequence[Hashable]) -> None:
        if not self._mask:
            self._top.update(rows)
            if len(self._top) >= _TOP:
                self._mask = _ONE_IN_8
            return
        self._recent.update(rows)
        if len(self._recent) >= _RECENT:
            self._recent, self._before = set(), self._recent
        for row in sample:
            self._sample.add(row)
        self._sampled += len(sample)
        if self._sampled >= _DENSE:
            self._mask = _ONE_IN_32

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
# small circles. Of those between, the last one of every second page is: however a circle shifts
# its pages, every second page or so has one of them. 235,000 pages take 14 MB.
_TOP: Final = 4_096
_RECENT: Final = 1_024

# How many pages that end in a known row, among pages that bring at most as many new rows as known
# ones, show that the list begins again; and, unless every row on them is known, how many known
# rows they need. If one row in 200 comes again by chance, four in a row do so once in a billion.
_PAGES: Final = 3
_ROWS: Final = 4

# How many pages in a row that end in a known row show it, whatever they bring at their top.
_PAGES_IN_A_ROW: Final = 6

# How many pages with a row from between show it, and how many of the largest pages hold the rows
# that may lie between two of them: a circle may bring smaller pages than the walk that it repeats.
# By chance one page in 400 has one, and five so close together come in no list.
_MARKED: Final = 5
_UNMARKED: Final = 3


Repeat = Literal["same_page", "begins_again"]


class Hashes:
    """A set of hashes in some eight bytes each; a set of Python's takes eighty.

    Two of the values of the largest list share one in a hundred million lists or so.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: defaultdict[int, bytearray] = defaultdict(bytearray)

    def add(self, value: Hashable) -> bool:
        """Keep the hash of a value; return whether it is new."""
        hash_ = hash(value)
        part, packed = self._parts[hash_ & _PARTS], _packed(hash_)
        if packed in part:
            return False
        part += packed
        return True


_packed: Final = Struct("q").pack
_PARTS: Final = 0x3FF


class Seen:
    """The rows of one list so far."""

    __slots__ = (
        "_before",
        "_in_a_row",
        "_known",
        "_largest",
        "_marked",
        "_marks",
        "_new",
        "_page",
        "_pages",
        "_recent",
        "_top",
        "_top_is_full",
        "_unmarked",
        "_with_mark",
    )

    def __init__(self) -> None:
        self._top: set[Hashable] = set()
        self._top_is_full = False
        self._recent: set[Hashable] = set()  # up to 1,024 of the last rows
        self._before: set[Hashable] = set()  # and the 1,024 before them
        self._marks: set[Hashable] = set()  # behind the top, of every second page the last row
        self._with_mark = False  # whether the page that came last left one
        self._page: Sequence[Hashable] = ()  # the page that came last
        self._in_a_row = 0  # pages that end in a known row
        # The same, and rows, since most of the rows began to be known.
        self._pages = self._known = self._new = 0
        self._marked = self._unmarked = 0  # pages with an old mark, and rows since the last of them
        self._largest = 0  # rows of the largest page behind the top

    def recall(self, rows: Sequence[Hashable]) -> None:
        """Take the rows of an earlier page, which are judged no more."""
        if rows:
            self._remember(rows)

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
        why: Repeat | None = None
        if self._is_remembered(rows[-1]) and not self._is_pinned(rows):
            why = self._repeats(rows)
        elif self._pages:
            self._goes_on(rows)
        if self._marked or (self._marks and not self._marks.isdisjoint(rows)):
            why = why or self._leads_back(rows)
        self._remember(rows)
        self._page = rows
        return why

    def _is_pinned(self, rows: Sequence[Hashable]) -> bool:
        """Whether a page ends in a row that every page ends in, behind new ones only."""
        same = bool(self._page) and len(rows) > 1 and rows[-1] == self._page[-1]
        return same and self._count_remembered(rows) == 1

    def _repeats(self, rows: Sequence[Hashable]) -> Repeat | None:
        """Judge a page that ends in a row which is remembered."""
        if set(rows) == set(self._page):
            return "same_page"
        known = self._count_remembered(rows)
        self._in_a_row += 1
        self._pages += 1
        self._known += known
        if not self._top_is_full:  # else nobody can tell which of the others are new
            self._new += len(rows) - known
        least = _ROWS if self._top_is_full or self._new else _PAGES
        begins_again = self._pages >= _PAGES and self._known >= max(self._new, least)
        if begins_again or self._in_a_row >= _PAGES_IN_A_ROW:
            return "begins_again"
        return None

    def _goes_on(self, rows: Sequence[Hashable]) -> None:
        """Judge a page that ends in another row, behind some that did not."""
        self._in_a_row = 0
        known = self._count_remembered(rows)
        self._known += known
        self._new += len(rows) - known
        if self._new > self._known:
            self._pages = self._known = self._new = 0

    def _leads_back(self, rows: Sequence[Hashable]) -> Repeat | None:
        """Judge a page by the marks on it; those of the last pages are an overlap with them."""
        if all(map(self._is_remembered, self._marks.intersection(rows))):
            self._unmarked += len(rows)
            if self._unmarked > _UNMARKED * self._largest:
                self._marked = 0
            return None
        self._marked += 1
        self._unmarked = 0
        return "begins_again" if self._marked >= _MARKED else None

    def _count_remembered(self, rows: Sequence[Hashable]) -> int:
        return sum(map(self._is_remembered, rows))

    def _is_remembered(self, row: Hashable) -> bool:
        return row in self._top or row in self._recent or row in self._before

    def _remember(self, rows: Sequence[Hashable]) -> None:
        if not self._top_is_full:
            self._top.update(rows)
            self._top_is_full = len(self._top) >= _TOP
            return
        self._recent.update(rows)
        if len(self._recent) >= _RECENT:
            self._recent, self._before = set(), self._recent
        self._largest = max(self._largest, len(rows))
        self._with_mark = not self._with_mark
        if self._with_mark:
            self._marks.add(rows[-1])

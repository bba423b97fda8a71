"""How what is stored steers a run: past pages that are there, to a cap, to known followers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from socialfetch_async._protocol.walk import Walk
from socialfetch_async.errors import PaginationError
from socialfetch_async.events import HandleStatus
from socialfetch_async.journal.index import WHOLE, Chain, Index, List, SavedList
from socialfetch_async.journal.lines import SavedPage
from socialfetch_async.journal.plan import Step, Wanted
from socialfetch_async.models import FollowersPage

# Followers of an older reading that are held while a newer one is joined to it, from its top. Of
# a list that lost more than this there, a few pages more are bought.
_KNOWN: Final = 32_768

StoredPage = Callable[[int], SavedPage]


class Known:
    """The followers on the first pages of a list, loaded as far as they are asked for."""

    def __init__(self, pages: Iterable[SavedPage]) -> None:
        self._pages = iter(pages)
        # Hashes: two handles that share one, of 2**64, would end a reading one page early.
        self._known: set[int] = set()

    def count_new(self, handles: Iterable[str]) -> int:
        """Return how many of some followers are not known; they are from now on."""
        asked = set(map(hash, handles))
        while not asked <= self._known and len(self._known) < _KNOWN:
            page = next(self._pages, None)
            if page is None:
                break
            self._known.update(hash(follower.handle) for follower in page.followers)
        new = len(asked - self._known)
        self._known |= asked
        return new


class Course:
    """One list on its way through a run.

    Attributes:
        reading: What its pages belong to.
    """

    def __init__(
        self, index: Index, handle: str, step: Step, wanted: Wanted, stored: StoredPage
    ) -> None:
        self._index = index
        self._handle = handle
        self._wanted = wanted
        self._step = step
        self._stored = stored
        self._pages, self._followers = step.pages, step.followers
        self._known: Known | None = None
        self._ended: HandleStatus | None = None
        self._begun = False
        self.reading = step.reading

    @property
    def _saved(self) -> SavedList | None:
        return self._index.lists.get(self._handle.lower())

    def take(self, page: FollowersPage) -> tuple[str | None, int | None]:
        """Count a page in; return the reading that it meets, and how many are new on it."""
        self._pages += 1
        self._followers += len(page.followers)
        if self._known is None:
            return None, None
        new = self._known.count_new(follower.handle for follower in page.followers)
        goes_on = page.lookup_status == "found" and page.has_more and page.next_cursor
        if new or not page.followers or not goes_on:
            return None, new
        self._ended = "complete"
        return self._step.base, new

    def guide(self, walk: Walk) -> HandleStatus | None:
        """Move a walk past the pages that are there; return how its list ends, or None.

        Raises:
            PaginationError: The pages that are there lead in a circle.
        """
        saved = self._saved
        if not self._begun:
            self._begun = True
            self._begin(saved, walk)
        if self._ended is not None:
            return self._ended
        reading = None if saved is None else saved.readings.get(self.reading)
        if saved is not None and reading is not None and walk.cursor in reading.pages:
            chain = self._index.chain(saved, reading, walk.cursor)
            if (ended := self._end_of(chain)) is not None:
                return ended
            self._feed(walk, chain.pages)
            self._pages += len(chain.pages)
            self._followers += self._index.followers(List([(reading, chain.pages)], None, None))
            walk.skip_to(chain.cursor)
        return self._wanted.capped(self._pages, self._followers)

    def _begin(self, saved: SavedList | None, walk: Walk) -> None:
        """Tell the guards of the walk, and what is known, about the pages before it."""
        if saved is None:
            return
        if self._step.do == "nothing" and self._step.why in {"repeated_cursor", "no_progress"}:
            raise self._circle(self._step.why)
        reading = saved.readings.get(self.reading)
        before = self._index.chain(saved, reading).pages if reading is not None else []
        self._feed(walk, before)
        if self._step.base is not None and self._step.base in saved.readings:
            base = self._index.list_of(saved, saved.readings[self._step.base])
            self._known = Known(self._pages_of(base))
            for number in before:
                self._known.count_new(f.handle for f in self._stored(number).followers)

    def _pages_of(self, found: List) -> Iterator[SavedPage]:
        return (self._stored(number) for _, pages in found.parts for number in pages)

    def _feed(self, walk: Walk, numbers: list[int]) -> None:
        """Have the guards see pages that are there: a circle cut in two is still one."""
        for number in numbers:
            page = self._stored(number)
            walk.recall(page.cursor, page.names())

    def _end_of(self, chain: Chain) -> HandleStatus | None:
        match chain.ended:
            case None:
                return None if chain.met is None else "complete"
            case "failed":
                raise self._circle("repeated_cursor")
            case "missing_cursor":
                return "missing_cursor"
            case ended:
                return "complete" if ended in WHOLE else "unavailable"

    def _circle(self, reason: str) -> PaginationError:
        return PaginationError(
            "the pages in the journal lead in a circle.",
            reason=reason,
            handle=self._handle,
            cursor=self._step.cursor,
        )

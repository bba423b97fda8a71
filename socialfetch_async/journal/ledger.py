"""What was charged, and what may have been charged besides: in all, and for each piece of work."""


class _Spent:
    """The credits of some journals, or of one piece of work in them."""

    __slots__ = (
        "charged",
        "concurrency",
        "maybe",
        "settled",
        "settled_elsewhere",
        "unseen",
        "unseen_elsewhere",
    )

    def __init__(self) -> None:
        self.charged = 0
        self.settled = 0  # of sessions that are over
        self.unseen = 0  # pages that may have been on their way when a session was killed
        self.maybe = self.concurrency = 0  # of the session that has no end yet
        self.settled_elsewhere = self.unseen_elsewhere = 0  # in the files before this one

    def opened(self, concurrency: int) -> None:
        self.settled, self.unseen = self.settled + self.maybe, self.unseen + self.concurrency
        self.maybe, self.concurrency = 0, concurrency

    def closed(self, maybe_charged: int) -> None:
        self.settled += maybe_charged
        self.maybe = self.concurrency = 0

    def settle(self, maybe_charged: int, price: int) -> None:
        there = self.settled + self.maybe + (self.unseen + self.concurrency) * price
        self.settled = min(maybe_charged, there)
        self.unseen = self.maybe = self.concurrency = 0

    def end_file(self) -> None:
        self.settled_elsewhere += self.settled
        self.unseen_elsewhere += self.unseen
        self.settled = self.unseen = 0

    def before(self, price: int) -> int:
        unseen = self.unseen + self.unseen_elsewhere
        return self.settled + self.settled_elsewhere + unseen * price

    def maybe_charged(self, price: int) -> int:
        return self.before(price) + self.maybe + self.concurrency * price


class Ledger:
    """What was charged, and what may have been charged besides, in credits.

    Attributes:
        price: Of the dearest page, at least 1.
    """

    def __init__(self) -> None:
        self.price = 1
        self._all = _Spent()
        self._of: dict[str | None, _Spent] = {}
        self._work: str | None = None

    def _current(self) -> _Spent:
        spent = self._of.get(self._work)
        if spent is None:
            spent = self._of[self._work] = _Spent()
        return spent

    def paid(self, credits_charged: int) -> None:
        """Count a page in."""
        self._all.charged += credits_charged
        self._current().charged += credits_charged
        self.price = max(self.price, credits_charged)

    def opened(self, concurrency: int, work: str | None = None) -> None:
        """Begin a session for a piece of work; one without an end was killed."""
        self._all.opened(concurrency)
        self._current().opened(0)
        self._work = work
        self._current().opened(concurrency)

    def noted(self, maybe_charged: int) -> None:
        """Take what the session says of itself."""
        self._all.maybe = self._current().maybe = maybe_charged

    def closed(self, maybe_charged: int) -> None:
        """End the session."""
        self._all.closed(maybe_charged)
        self._current().closed(maybe_charged)

    def settle(self, maybe_charged: int) -> None:
        """Take a lower bound for all sessions of the file, from the balance of the account."""
        for spent in (self._all, *self._of.values()):
            spent.settle(maybe_charged, self.price)

    def next_file(self) -> None:
        """End a file: sessions do not go on in another one, and each is settled by itself."""
        self.opened(0)
        for spent in (self._all, *self._of.values()):
            spent.end_file()

    @property
    def credits_charged(self) -> int:
        """Of all pages."""
        return self._all.charged

    @property
    def maybe_charged_before(self) -> int:
        """Upper bound for all sessions but the one that has no end yet."""
        return self._all.before(self.price)

    @property
    def maybe_charged(self) -> int:
        """Upper bound for all sessions; one that has no end may be running, or was killed."""
        return self._all.maybe_charged(self.price)

    def spent(self) -> dict[str | None, int]:
        """Return what each piece of work may have cost at most; None is one without a name."""
        return {
            work: spent.charged + spent.maybe_charged(self.price)
            for work, spent in self._of.items()
        }

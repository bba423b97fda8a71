"""What may be spent: reserved before a request leaves, settled when its price is known.

Limits nest: those of a client hold for all its lists together, those of a stream or run besides.
A request takes its credits from all of them or from none. The price of a request is the client's:
the highest that any page had. Before the first page it is not known, and then a request that has
a limit goes first, alone.
"""

from typing import Literal

CloseReason = Literal["max_credits", "stopped"]
"""Why nothing more may be bought."""


class Price:
    """What one request costs, as far as a client knows.

    Attributes:
        credits: The highest price seen; 1, the documented one, before the first page.
        known: A page that was not free came, or somebody who knows has said it.
        asking: A request with a limit is on its way to find out.
    """

    __slots__ = ("asking", "credits", "known")

    def __init__(self) -> None:
        self.credits = 1
        self.known = self.asking = False

    def seen(self, credits_: int) -> None:
        """Learn from a page, or from somebody who kept one: a journal.

        One that was free says nothing of the others: it may come from a cache.
        """
        self.credits = max(self.credits, credits_)
        self.known |= credits_ > 0
        self.asking = False


class Account:
    """What was spent under one limit, in credits.

    Attributes:
        limit: The most that may be spent; None is no limit.
        charged: Confirmed by pages.
        lost: Counted for requests that brought nothing and may have been charged.
        lost_unpriced: Such requests from before the price was known.
        reserved: Held by requests that are on the wire.
    """

    __slots__ = ("charged", "limit", "lost", "lost_unpriced", "reserved")

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.charged = self.lost = self.lost_unpriced = self.reserved = 0

    def maybe_charged(self, price: int) -> int:
        """Return the upper bound of what requests may have cost that brought nothing."""
        return self.lost + self.lost_unpriced * price

    def has_room(self, price: int) -> bool:
        """Whether one more request at this price fits, beside those on the wire."""
        if self.limit is None:
            return True
        spent = self.charged + self.maybe_charged(price)
        return spent + self.reserved + price <= self.limit

    def used_up(self, price: int) -> bool:
        """Whether no request fits, whatever becomes of those on the wire: there are none."""
        return not self.reserved and not self.has_room(price)


class Budget:
    """Credits that may be spent, None without a limit.

    Args:
        limit: Credits that may be spent.
        within: The budget of the client, if this is the one of a list or run.

    Attributes:
        accounts: The own one, and that of the client around it.
        closed: Why nothing more may be reserved, once that is so.
        limited: Whether any of the accounts has a limit.
        price: What a request costs, the same for all budgets of a client.
    """

    __slots__ = ("_own", "accounts", "closed", "limited", "price")

    def __init__(self, limit: int | None = None, *, within: "Budget | None" = None) -> None:
        self._own = Account(limit)
        self.accounts: tuple[Account, ...] = (self._own,)
        self.price: Price = Price()
        if within is not None:
            self.accounts += within.accounts
            self.price = within.price
        self.limited = any(account.limit is not None for account in self.accounts)
        self.closed: CloseReason | None = None

    @property
    def reserved(self) -> int:
        """Credits held by requests that are on the wire."""
        return self._own.reserved

    @property
    def maybe_charged(self) -> int:
        """Upper bound, in credits, of what requests may have cost that brought nothing."""
        return self._own.maybe_charged(self.price.credits)

    @property
    def spent(self) -> int:
        """Credits confirmed, or counted because they may have been charged."""
        return self._own.charged + self.maybe_charged

    def reserve(self) -> int:
        """Set the price of one request aside and return it; 0 while it may not leave."""
        price = self.price
        if self.closed is not None:
            return 0
        if self.limited:
            if not self.affords() or price.asking:
                return 0
            price.asking = not price.known
        for account in self.accounts:
            account.reserved += price.credits
        return price.credits

    def affords(self) -> bool:
        """Whether every limit allows one more request beside those on the wire."""
        price = self.price.credits
        return all(account.has_room(price) for account in self.accounts)

    def used_up(self) -> bool:
        """Whether no request may leave any more, whatever becomes of those on the wire."""
        price = self.price.credits
        return any(account.used_up(price) for account in self.accounts)

    def in_flight(self) -> bool:
        """Whether any request of the client is on the wire."""
        return self.accounts[-1].reserved > 0

    def settle(self, reserved: int, cost: int) -> None:
        """Replace a reservation by the credits that a page cost."""
        for account in self.accounts:
            account.charged += cost
            account.reserved -= reserved
        if cost > self.price.credits or not self.price.known:
            self.price.seen(cost)

    def release(self, reserved: int) -> None:
        """Take back the reservation of a request that was not charged."""
        for account in self.accounts:
            account.reserved -= reserved
        if self.limited:
            self.price.asking = False

    def keep(self, reserved: int, said: int | None = None) -> int:
        """Count a request at its full price: it brought nothing, and may have been charged.

        Args:
            reserved: What was set aside for it.
            said: Its price, if an answer that cannot be read says it.

        Returns:
            What it is counted as, in credits.
        """
        counted = max(reserved, said or 0)
        if said:
            self.price.seen(said)
        for account in self.accounts:
            if self.price.known:
                account.lost += counted
            else:
                account.lost_unpriced += 1
        self.release(reserved)
        return counted

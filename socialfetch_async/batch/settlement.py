"""What the account's balance says about credits that may have been charged."""

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import JournalError
from socialfetch_async.journal import Balance, Journal, shard_journals, shards_folder


async def settle(client: SocialFetchClient, journal: str | os.PathLike[str]) -> tuple[int, int]:
    """Lower `maybe_charged` of a journal to what the account's balance allows. Free.

    The account has lost no more than its balance fell by. What others spent from it makes the
    bound weaker, never wrong.

    Returns:
        What may have been charged before, and what may have been now, in credits.

    Raises:
        JournalError: The balance rose meanwhile, or was never asked for; or the journal is not
            there, or cannot be used.
        SocialFetchError: The balance cannot be asked for.
    """
    path = _there(journal)
    with Journal(path) as book:
        book.name_origin(client.base_url)
        before = book.maybe_charged
        if not before:
            return 0, 0
        book.note_balance((await client.get_balance()).balance)
        bound = bound_of(book.saved.balances)
        if bound is None:
            raise JournalError(
                f"{path}: the account's balance rose since the journal was begun, or was not "
                "asked for, so it does not say what was charged. Nothing was changed."
            )
        if bound < before:
            left = bound
            for shard in shard_journals(shards_folder(path)):
                with Journal(shard) as part:
                    if (kept := min(left, part.maybe_charged)) < part.maybe_charged:
                        part.settle(kept)
                left -= kept
            book.settle(left)
        return before, min(before, bound)


def _there(journal: str | os.PathLike[str]) -> Path:
    path = Path(journal)
    if not os.path.exists(path):  # noqa: PTH110 - its name may be too long
        raise JournalError(
            f"there is no journal {path}: name the one of the batch. Nothing was changed."
        )
    return path


def bound_of(balances: Sequence[Balance]) -> int | None:
    """Return what may have been charged at most; None where the balances do not say."""
    amounts = [one.balance for one in balances]
    if len(amounts) < 2 or any(now > then for then, now in pairwise(amounts)):
        return None
    first, last = balances[0], balances[-1]
    fell, counted = first.balance - last.balance, last.credits_charged - first.credits_charged
    return first.maybe_charged + max(0, fell - counted)

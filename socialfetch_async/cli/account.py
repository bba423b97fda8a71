"""`socialfetch whoami` and `balance`: free questions about the key and its account."""

import sys
from collections.abc import Iterator

import msgspec

from socialfetch_async._terminal import Voice, write_lines
from socialfetch_async._text import count, one_line
from socialfetch_async.cli import exit_codes
from socialfetch_async.cli.connecting import Connection, connected
from socialfetch_async.cli.output import plain, write_json
from socialfetch_async.models import Balance, User


async def show_user(connection: Connection, voice: Voice) -> int:
    """Say whose key this is."""
    async with connected(connection.client(buys=False)) as client:
        user = await client.whoami()
    return await _show(user, _of_user(user), voice)


async def show_balance(connection: Connection, voice: Voice) -> int:
    """Say how many credits there are."""
    async with connected(connection.client(buys=False)) as client:
        balance = await client.get_balance()
    return await _show(balance, _of_balance(balance), voice)


async def _show(value: msgspec.Struct, words: Iterator[str], voice: Voice) -> int:
    if voice.json or not sys.stdout.isatty():
        await write_json(value)
    else:
        await write_lines([f"{line}\n".encode(errors="replace") for line in words])
    return exit_codes.DONE


def _of_user(user: User) -> Iterator[str]:
    name = one_line(user.name) or "no name"
    yield f"{name}{f' <{one_line(user.email)}>' if user.email else ''}, {one_line(user.id)}"


def _of_balance(balance: Balance) -> Iterator[str]:
    """Say the credits first; then what else the API tells, in its own words."""
    yield f"{count(balance.balance, 'credit')} left"
    fields = plain(balance)
    fields |= {f"subscription_{name}": v for name, v in (fields.pop("subscription") or {}).items()}
    for name, value in fields.items():
        if name != "balance" and value is not None:
            shown = f"{value:,}" if isinstance(value, int) else one_line(str(value))
            yield f"  {name.replace('_', ' ')}: {shown}"

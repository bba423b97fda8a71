"""One credit limit for a process, and what comes in from outside."""

import asyncio
import socket

import pytest

from socialfetch_async import InvalidHandleError, RetryPolicy
from socialfetch_async.emulator import Emulator
from socialfetch_async.web import (
    CreditLimit,
    CreditsSpentError,
    InvalidRequestError,
    listen,
    whole_number,
)
from tests.conftest import MakeClient

ONCE = RetryPolicy(max_attempts=1)


async def test_requests_share_a_limit_to_its_last_credit(client_of: MakeClient) -> None:
    """However many run at once, no more is charged than all of them may spend together."""
    async with Emulator({"ada": 10_000}, latency=0.002) as api:
        limit = CreditLimit(client_of(api), 25)

        async def served() -> str | None:
            with limit.stream("ada", cursor=None, max_credits=10) as stream:
                async for _ in stream:
                    pass
                return stream.stop_reason

        done = await asyncio.gather(*(served() for _ in range(5)), return_exceptions=True)
        assert [type(outcome) for outcome in done] == [str, str, str] + [CreditsSpentError] * 2
        assert len(api.charges) == 25
        assert limit.left == 0


async def test_what_a_request_did_not_spend_comes_back(client_of: MakeClient) -> None:
    """When it ends, by whatever way."""
    async with Emulator({"ada": 100}) as api:
        limit = CreditLimit(client_of(api), 10)
        with limit.stream("ada", cursor=None, max_credits=9) as stream:
            assert limit.left == 1
            await anext(stream)
            assert limit.left == 1
            with pytest.raises(RuntimeError, match="the reader left"):
                with limit.stream("ada", cursor=None, max_credits=9) as other:
                    assert limit.left == 0
                    raise RuntimeError("the reader left")
            assert other.pages_fetched == 0
            assert limit.left == 1
        assert limit.left == 9


async def test_what_may_have_been_charged_counts_as_spent(client_of: MakeClient) -> None:
    """As in every limit of this library."""
    async with Emulator({"ada": 100}) as api:
        api.script("ada", "lose", "503")
        limit = CreditLimit(client_of(api, retry=ONCE), 10)
        for left in (9, 9):
            with limit.stream("ada", cursor=None, max_credits=5) as stream:
                with pytest.raises(Exception, match="ada"):
                    await anext(stream)
            assert limit.left == left
    assert len(api.charges) == 1


async def test_a_limit_that_is_raised_gives_more(client_of: MakeClient) -> None:
    """So that each day can have its own."""
    async with Emulator({"ada": 100}) as api:
        limit = CreditLimit(client_of(api), 1)
        with limit.stream("ada", cursor=None, max_credits=5) as stream:
            assert len([follower async for follower in stream]) == 20
            assert stream.stop_reason == "max_credits"
        limit.max_credits += 2
        with limit.stream("ada", cursor=stream.cursor, max_credits=5) as stream:
            assert len([follower async for follower in stream]) == 40


@pytest.mark.parametrize(
    ("handle", "cursor", "max_credits", "kind"),
    [
        ("../x", None, 1, InvalidHandleError),
        ("ada", "", 1, InvalidRequestError),
        ("ada", "\ud800", 1, InvalidRequestError),
        ("ada", None, 0, InvalidRequestError),
    ],
)
async def test_what_can_not_be_asked_for_holds_no_credits(
    client_of: MakeClient, handle: str, cursor: str | None, max_credits: int, kind: type[Exception]
) -> None:
    """It is the reader's error, with its sentence, and nothing is sent."""
    async with Emulator() as api:
        limit = CreditLimit(client_of(api), 5)
        with pytest.raises(kind) as caught:
            with limit.stream(handle, cursor=cursor, max_credits=max_credits):
                pytest.fail("nothing can be streamed")
        assert type(caught.value) is kind
        assert limit.left == 5
    assert api.requests == []


async def test_a_process_that_may_spend_nothing_is_a_mistake(client_of: MakeClient) -> None:
    """It is the operator's, so it is a plain ValueError."""
    async with Emulator() as api:
        with pytest.raises(ValueError, match="max_credits is at least 1, not 0"):
            CreditLimit(client_of(api), 0)


@pytest.mark.parametrize(
    ("text", "value"), [(None, 7), ("1", 1), ("0", 0), ("999999999", 999999999)]
)
def test_a_number_in_a_query_string(text: str | None, value: int) -> None:
    """Digits, or the default; whether it is too small is said where it is used."""
    assert whole_number("max_pages", text, 7) == value


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.0", " 1", "1_0", "٣", "1" * 10, "1\n"])
def test_no_number_in_a_query_string(text: str) -> None:
    """What `int` would take all the same is refused too."""
    with pytest.raises(InvalidRequestError, match=r"^max_pages is a whole number, not "):
        whole_number("max_pages", text, 7)


def test_a_listening_socket_holds_little_back() -> None:
    """A connection takes a fraction of what the system would keep for a reader that stopped."""
    taken = 0
    with listen("127.0.0.1", 0) as listener, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(listener.getsockname())
        connection, _ = listener.accept()
        with connection:
            connection.setblocking(False)
            for _ in range(100):
                try:
                    taken += connection.send(bytes(65_536))
                except BlockingIOError:
                    break
    assert 0 < taken < 200_000

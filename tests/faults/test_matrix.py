"""The fault matrix: one case or more for each of its 56 rows."""

from collections.abc import Callable

import aiohttp
import pytest

from socialfetch_async import (
    ConnectionLostError,
    DecodeError,
    FollowersPage,
    InsufficientCreditsError,
    SocialFetchError,
    UnexpectedRedirectError,
)
from tests.exchange import test_circuit_breaker, test_connector
from tests.faults import situations, test_leftovers, test_proxy, test_tls
from tests.faults.book import cursor_of
from tests.faults.child import FaultServer
from tests.faults.failures import FAILURES, Failure
from tests.faults.figures_clock import long_outages, rate_limits
from tests.faults.figures_credits import limits
from tests.faults.figures_leftovers import leftovers
from tests.faults.harness import assert_bracketed, client_of, ids, on
from tests.faults.wire import CHECKOUT_URL
from tests.protocol import test_decode_bounds

ROWS = range(1, 57)
# Rows that need more than the fault server, or are shown by a figure: where they are tested.
ELSEWHERE: dict[int, tuple[Callable[..., object], ...]] = {
    39: (
        leftovers,
        test_leftovers.test_an_injected_session_takes_none_that_can_be_seen,
        test_connector.test_part_of_an_answer_is_seen_as_well,
    ),
    44: (
        long_outages,
        test_circuit_breaker.test_a_retry_after_is_a_floor_for_the_next_probe_of_all,
    ),
    49: (
        test_decode_bounds.test_a_hostile_answer_takes_bounded_memory,
        test_decode_bounds.test_numbers_without_end,
        test_decode_bounds.test_a_cursor_of_many_digits_is_an_error,
    ),
    51: (limits,),
    52: (long_outages,),
    53: (
        test_tls.test_a_handshake_that_is_refused_is_asked_again,
        test_tls.test_a_server_that_speaks_no_tls_is_asked_again,
    ),
    54: (test_proxy.test_a_tunnel_that_is_refused_is_an_error_that_names_the_proxy,),
    55: (rate_limits,),
}


def test_every_row_has_a_case() -> None:
    """No row of the matrix is without a case; those of a figure are run by test_soak.py."""
    failures = {failure.row for failure in FAILURES}
    assert failures | set(situations.SITUATIONS) | set(ELSEWHERE) == set(ROWS)


# A client whose requests are traced sends them through aiohttp's session, the others do not.
@pytest.mark.parametrize("traced", [False, True], ids=["plain", "traced"])
@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_a_failing_page_is_an_error_and_the_same_stream_goes_on(
    server: FaultServer, failure: Failure, *, traced: bool
) -> None:
    """Requests, error, account and position are as the row says, and nothing is lost."""
    attempts = failure.options["retry"].max_attempts if failure.retried else 1
    if failure.before:
        server.order("ann", 0, failure.before)
    server.order("ann", 1, *[failure.fault.replace("ELSEWHERE", server.elsewhere)] * attempts)
    trace_configs = [aiohttp.TraceConfig()] * traced
    async with client_of(server, trace_configs=trace_configs, **failure.options) as client:
        stream = client.iter_followers("ann")
        pages: list[FollowersPage] = []
        with pytest.raises(failure.error) as caught:
            async for page in stream.pages():
                pages.append(page)
        error = caught.value
        assert on(pages) == ids("ann", [0])
        assert server.count.requests == 1 + attempts == client.usage.requests_sent
        assert client.usage.retries == attempts - 1
        assert client.usage.maybe_charged == (attempts if failure.maybe else 0)
        assert_position(error, failure, attempts)
        assert_details(error, failure)
        assert stream.cursor == cursor_of(1)
        assert not stream.done
        pages += [page async for page in stream.pages()]
        assert on(pages) == ids("ann", range(3))
        assert stream.stop_reason == "complete"
        assert server.count.requests == 3 + attempts
        assert server.count.delivered == 3
        assert server.count.other_host == 0
        assert_bracketed(server, client)


def assert_position(error: SocialFetchError, failure: Failure, attempts: int) -> None:
    """The error says where, how often and at what price."""
    assert type(error) is failure.error
    assert error.handle == "ann"
    assert error.cursor == cursor_of(1)
    assert error.attempts == attempts
    assert error.maybe_charged == (attempts if failure.maybe else 0)


def assert_details(error: SocialFetchError, failure: Failure) -> None:
    """What only some rows promise."""
    if isinstance(error, InsufficientCreditsError) and failure.fault == "402":
        assert error.checkout_url == CHECKOUT_URL
    if isinstance(error, UnexpectedRedirectError):
        assert "localhost" in str(error)
        assert "stolen" not in str(error)
        assert "token" not in str(error)
    if isinstance(error, DecodeError):
        assert error.path.startswith("$")
    if isinstance(error, ConnectionLostError):
        assert error.reused is (failure.row == 16)


@pytest.mark.parametrize("failure", [row for row in FAILURES if row.retried], ids=str)
async def test_a_page_that_fails_once_is_got_by_the_second_request(
    server: FaultServer, failure: Failure
) -> None:
    """What is worth a retry costs one more request and no page."""
    server.order("ann", 1, failure.fault)
    async with client_of(server, **failure.options) as client:
        pages = [page async for page in client.iter_followers("ann").pages()]
        assert on(pages) == ids("ann", range(3))
        assert server.count.requests == 4 == client.usage.requests_sent
        assert client.usage.maybe_charged == failure.maybe
        assert_bracketed(server, client)


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(found, id=f"{row}-{found.__name__}")
        for row, cases in sorted(situations.SITUATIONS.items())
        for found in cases
    ],
)
async def test_a_situation(server: FaultServer, situation: situations.Situation) -> None:
    """The rows that are more than one answer behave as they say."""
    await situation(server)

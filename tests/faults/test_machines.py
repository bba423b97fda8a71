"""A caller who pulls, cancels, goes on, stops, runs out of credits and closes, in any order."""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from socialfetch_async import (
    Follower,
    FollowersPage,
    FollowersRun,
    FollowerStream,
    HandleDone,
    RetryPolicy,
    SocialFetchClient,
    SocialFetchError,
)
from tests.faults.book import page_of
from tests.faults.child import FaultServer
from tests.faults.harness import KEY, ids
from tests.faults.wire import DELIVERED, RETRIED

PAGES, ROWS = 6, 3
POLICY = RetryPolicy(max_attempts=3, base=0.001, cap=0.002, deadline=5)
BOUNDED = settings(
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
T = TypeVar("T")
faults = st.lists(st.sampled_from((*RETRIED, *DELIVERED)), min_size=1, max_size=4)
pauses = st.integers(0, 40)


async def cancelled(work: Coroutine[Any, Any, T], turns: int) -> T | None:
    """Begin something, cancel it some turns of the loop later; None when that came in time."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return None


class Caller(RuleBasedStateMachine):
    """A caller with a client, and the server's account of it."""

    server: ClassVar[FaultServer]
    pages_of_a_list = PAGES

    def __init__(self) -> None:
        super().__init__()
        self.server.reset(pages=PAGES, rows=ROWS)
        self.runner = asyncio.Runner()
        self.client = self.new_client()
        self.confirmed = self.maybe = 0  # by clients that are closed

    def new_client(self) -> SocialFetchClient:
        """Return a new client of the server."""
        return SocialFetchClient(KEY, base_url=self.server.base_url, retry=POLICY)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the loop run until something is done."""
        return self.runner.run(asyncio.wait_for(work, 30))

    def close_client(self) -> None:
        """Close the client and keep its counters."""
        self.do(self.client.aclose())
        self.confirmed += self.client.usage.credits_charged
        self.maybe += self.client.usage.maybe_charged

    @rule(left=st.none() | st.integers(0, 5))
    def have_credits(self, left: int | None) -> None:
        """Run out of credits soon, or buy some."""
        self.server.call("credits", left=left)

    @invariant()
    def usage_and_ledger_bracket_each_other(self) -> None:
        """What is confirmed was charged; what was charged is confirmed or maybe charged."""
        usage, charged = self.client.usage, self.server.count.charged
        confirmed = self.confirmed + usage.credits_charged
        assert confirmed <= charged <= confirmed + self.maybe + usage.maybe_charged + self.flying()

    def flying(self) -> int:
        """Return how many requests may be on their way now, and so in no counter yet."""
        return 0

    def teardown(self) -> None:
        self.close_client()
        self.runner.close()


class StreamCaller(Caller):
    """One stream: every follower once, in order, whatever happens between two pulls."""

    stream: FollowerStream
    expected = ids("ann", range(PAGES), ROWS)

    @initialize()
    def begin(self) -> None:
        """Make the stream."""
        self.at = 0
        self.stream = self.client.iter_followers("ann")

    def take(self, follower: Follower | None) -> None:
        """Check that a follower is the next one."""
        if follower is not None:
            assert follower.handle == self.expected[self.at]
            self.at += 1

    def ended(self) -> None:
        """Check that the end is the end."""
        assert self.at == len(self.expected)
        assert self.stream.done

    @rule(page=st.integers(0, PAGES - 1), kinds=faults)
    def break_a_page(self, page: int, kinds: list[str]) -> None:
        """Order faults for a page."""
        self.server.order("ann", page, *kinds)

    @rule()
    def pull(self) -> None:
        """Take one follower."""
        self.attempt(anext(self.stream))

    @rule(turns=pauses)
    def pull_and_cancel(self, turns: int) -> None:
        """Ask for one follower and change one's mind."""
        self.attempt(cancelled(anext(self.stream), turns))

    def attempt(self, work: Coroutine[Any, Any, Follower | None]) -> None:
        """Pull; an error leaves the position where it is."""
        try:
            self.take(self.do(work))
        except StopAsyncIteration:
            self.ended()
        except SocialFetchError as error:
            assert error.cursor == self.stream.cursor  # noqa: PT017 - either may happen

    @rule()
    def pull_a_page(self) -> None:
        """Take the rest of the page in hand, or the next page."""
        try:
            page = self.do(self.stream._next_page())
        except SocialFetchError:
            return
        if page is None:
            self.ended()
        else:
            for follower in page.followers:
                self.take(follower)

    @rule(close=st.booleans())
    def begin_anew_from_the_cursor(self, close: bool) -> None:  # noqa: FBT001 - drawn
        """Go on in a new stream, and with a new client: the page in hand comes again, no other."""
        if self.stream.done:
            return
        if close:
            self.close_client()
            self.client = self.new_client()
        cursor = self.stream.cursor
        page = page_of(cursor)
        assert page is not None
        assert 0 <= self.at - page * ROWS <= ROWS
        self.at = page * ROWS
        self.stream = self.client.iter_followers("ann", cursor=cursor)


class RunCaller(Caller):
    """Runs, one after the other from `pending()`: every page of every handle once."""

    handles = ("ann", "bob", "cat", "dan")
    run_: FollowersRun | None = None

    @initialize(limit=st.none() | st.integers(1, 30), concurrency=st.integers(1, 5))
    def begin(self, limit: int | None, concurrency: int) -> None:
        """Make the first run."""
        self.limit, self.concurrency = limit, concurrency
        self.got = dict.fromkeys(self.handles, 0)
        self.pending: dict[str, str | None] = dict.fromkeys(self.handles)
        self.runs = 0
        self.enter()

    def enter(self) -> None:
        """Enter a run over what is pending."""
        self.runs += 1
        self.stopped = False
        self.run_ = self.client.iter_followers_many(
            self.pending, concurrency=self.concurrency, max_credits=self.limit
        )
        self.do(self.run_.__aenter__())

    def leave(self, *, in_hand: int) -> None:
        """Leave the run; at most `in_hand` pages that were delivered may come again."""
        assert self.run_ is not None
        self.do(self.run_.__aexit__(None, None, None))
        self.pending = self.run_.pending()
        again = 0
        for handle in self.handles:
            if handle in self.pending:
                page = page_of(self.pending[handle])
                assert page is not None
                again += self.got[handle] - page
                assert 0 <= self.got[handle] - page <= 1
                self.got[handle] = page
            else:
                assert self.got[handle] == PAGES
        assert again <= in_hand
        self.run_ = None

    def flying(self) -> int:
        return 0 if self.run_ is None else self.concurrency

    @invariant()
    def the_limit_holds_on_the_server(self) -> None:
        """No run costs more than its limit, whatever was charged for nothing."""
        if self.run_ is not None and self.limit is not None:
            assert self.server.count.charged <= self.runs * self.limit

    @rule(handle=st.sampled_from(handles), page=st.integers(0, PAGES - 1), kinds=faults)
    def break_a_page(self, handle: str, page: int, kinds: list[str]) -> None:
        """Order faults for a page."""
        self.server.order(handle, page, *kinds)

    @rule(times=st.integers(1, 8))
    def pull(self, times: int) -> None:
        """Take some events."""
        # No precondition: Hypothesis wants choices that do not depend on what came over a socket.
        for _ in range(times):
            if self.run_ is not None:
                self.attempt(anext(self.run_))

    @rule(turns=pauses)
    def pull_and_cancel(self, turns: int) -> None:
        """Ask for an event and change one's mind."""
        if self.run_ is not None:
            self.attempt(cancelled(anext(self.run_), turns))

    def attempt(self, work: Any) -> None:
        """Pull; the end and an error of the account are the end of this run."""
        try:
            event: FollowersPage | HandleDone | None = self.do(work)
        except (StopAsyncIteration, SocialFetchError):
            self.leave(in_hand=0)
            return
        if isinstance(event, FollowersPage):
            assert page_of(event.cursor) == self.got[event.handle]
            self.got[event.handle] += 1
        elif event is not None and event.status == "complete":
            assert self.got[event.handle] == PAGES

    @rule()
    def do_something_else(self) -> None:
        """Let the run work, without taking anything."""
        self.do(asyncio.sleep(0.003))

    @rule()
    def stop(self) -> None:
        """Send nothing new, and take what is paid for: then nothing is bought again."""
        if self.run_ is not None:
            self.run_.stop()
        while self.run_ is not None:
            self.attempt(anext(self.run_))

    @rule()
    def walk_away(self) -> None:
        """Leave in the middle: at most the page in hand counts as not handled."""
        if self.run_ is not None:
            self.leave(in_hand=1)

    @rule(close=st.booleans())
    def go_on(self, close: bool) -> None:  # noqa: FBT001 - drawn
        """Go on from `pending()`, with the same client or a new one."""
        if self.run_ is not None or not self.pending:
            return
        if close:
            self.close_client()
            self.client = self.new_client()
        self.enter()

    def teardown(self) -> None:
        if self.run_ is not None:
            self.leave(in_hand=1)
        super().teardown()


@pytest.mark.parametrize("caller", [StreamCaller, RunCaller])
def test_a_caller_loses_nothing_and_pays_for_nothing_twice(
    fault_server: FaultServer, caller: type[Caller]
) -> None:
    """Pages come once and in order; usage, ledger and limit agree after every step."""
    caller.server = fault_server
    run_state_machine_as_test(caller, settings=BOUNDED)

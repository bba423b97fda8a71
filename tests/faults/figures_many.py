"""Figures 1 to 5: many handles, an outage, cancellations, no credits left."""

import asyncio
import gc
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import NamedTuple

from socialfetch_async import (
    FollowersPage,
    InsufficientCreditsError,
    RetryPolicy,
    SocialFetchClient,
)
from tests.conftest import until
from tests.faults.book import cursor_of, page_of
from tests.faults.child import Counters, FaultServer
from tests.faults.figures import Compared, Line, Scale
from tests.faults.harness import client_of, ids, names
from tests.faults.plain import Outcome, plain_loop
from tests.faults.wire import DELIVERED, FAULTS, RETRIED

# Every kind of fault; stalls are few, because each costs its whole timeout. What is lost after the
# charge stands twice: nobody can see whether a lost page was charged, so how far `maybe_charged` is
# above those that were depends on this list, and it may not be by chance that figure 1 holds.
MIXED = [
    *RETRIED,
    *(kind for kind in RETRIED if FAULTS[kind].charged),
    *DELIVERED,
    *("stall-before", "stall-after", "stall-body"),
]
POLICY = RetryPolicy(base=0.01, cap=0.1)


class Fetched(NamedTuple):
    """How often each page came, and what it took."""

    pages: Counter[tuple[str, str | None]]
    wrong: int
    failed: int
    client: SocialFetchClient
    counters: Counters

    def outcome(self, expected: int) -> Outcome:
        """Return it in the plain loop's terms."""
        return Outcome(
            lost=expected - len(self.pages) + self.wrong,
            doubled=self.pages.total() - len(self.pages),
            credits=self.counters.charged,
            bought_again=self.counters.bought_twice,
            failed=self.failed,
            requests=self.counters.requests,
            hidden=self.counters.requests - self.client.usage.requests_sent,
        )


async def _fetch_all(
    server: FaultServer,
    handles: list[str],
    timeout: float,
    concurrency: int = 50,
    policy: RetryPolicy = POLICY,
) -> Fetched:
    """Fetch every handle, and what failed again from `pending()`, until nothing is left."""
    pages: Counter[tuple[str, str | None]] = Counter()
    wrong = failed = 0
    options = {"retry": policy, "timeout": timeout, "max_concurrency": concurrency}
    async with client_of(server, **options) as client:
        pending: dict[str, str | None] = dict.fromkeys(handles)
        while pending:
            async with client.iter_followers_many(pending, concurrency=concurrency) as run:
                async for event in run:
                    if not isinstance(event, FollowersPage):
                        failed += event.status == "failed"
                        continue
                    number = page_of(event.cursor)
                    assert number is not None
                    pages[event.handle, event.cursor] += 1
                    wrong += names(event.followers) != ids(event.handle, [number])
            pending = run.pending()
        return Fetched(pages, wrong, failed, client, server.count)


async def mixed_faults(server: FaultServer, scale: Scale, seed: int) -> Sequence[Line | Compared]:
    """Figure 1: a tenth of all requests meets a fault."""
    handles = [f"h{number}" for number in range(scale.mixed_handles)]
    settings = {"pages": scale.pages, "rate": 0.10, "kinds": MIXED, "seed": seed}
    expected = len(handles) * scale.pages
    fetched = await _fetch_all(server.reset(**settings), handles, scale.timeout)
    ours, count, usage = fetched.outcome(expected), fetched.counters, fetched.client.usage
    lines = [
        Line(1, f"seed {seed}: pages lost of {expected}", ours.lost, 0),
        Line(1, f"seed {seed}: pages doubled", ours.doubled, 0),
        Line(1, f"seed {seed}: handles failed of {len(handles)}", ours.failed, 0),
        Line(1, f"seed {seed}: hidden requests of {ours.requests}", abs(ours.hidden), 0),
        Line(
            1,
            f"seed {seed}: charged - delivered - faults after the charge",
            abs(count.charged - fetched.pages.total() - count.faults_after),
            0,
        ),
        Line(
            1,
            f"seed {seed}: maybe_charged {usage.maybe_charged} / {count.faults_after} such faults",
            usage.maybe_charged / count.faults_after,
            1.5,
            least=1.0,
        ),
    ]
    if not scale.compare:
        return lines
    server.reset(**settings)
    plain = await plain_loop(server, handles, scale.pages, POLICY, scale.timeout)
    return [*lines, Compared(f"10 % mixed faults, seed {seed}", ours, plain)]


async def many_faults(server: FaultServer, scale: Scale, seed: int) -> Sequence[Line | Compared]:
    """Figure 2: three of ten requests meet a fault; what failed is taken up from `pending()`."""
    handles = [f"h{number}" for number in range(scale.half_bad_handles)]
    settings = {"pages": scale.pages, "rate": 0.30, "kinds": MIXED, "seed": seed}
    expected = len(handles) * scale.pages
    ours = (await _fetch_all(server.reset(**settings), handles, scale.timeout)).outcome(expected)
    lines = [
        Line(2, f"seed {seed}: pages lost of {expected}", ours.lost, 0),
        Line(2, f"seed {seed}: pages doubled", ours.doubled, 0),
    ]
    if not scale.compare:
        return lines
    server.reset(**settings)
    plain = await plain_loop(server, handles, scale.pages, POLICY, scale.timeout)
    return [*lines, Compared(f"30 % mixed faults, seed {seed}", ours, plain)]


async def outage(server: FaultServer, scale: Scale) -> Sequence[Line | Compared]:
    """Figure 3: nobody is served for some seconds while 300 handles are at work."""
    handles = [f"h{number}" for number in range(300)]
    settings = {"pages": scale.outage_pages, "latency": 0.25}
    policy = RetryPolicy(base=0.05)
    expected = len(handles) * scale.outage_pages
    timeout = 10.0  # all are kept waiting until the last of them has asked

    async def begin_when_all_wait() -> None:
        await asyncio.sleep(1.5)
        server.call("gather", least=len(handles), seconds=scale.outage)

    server.reset(**settings)
    fetched, _ = await asyncio.gather(
        _fetch_all(server, handles, timeout, len(handles), policy), begin_when_all_wait()
    )
    ours = fetched.outcome(expected)
    begun = server.call("gathered")
    recovered = _recovery(server, begun["since"], begun["begin"] + scale.outage)
    ratio = fetched.counters.outage_requests / begun["in_flight"]
    lines = [
        Line(3, f"{scale.outage:g} s outage: handles failed of 300", ours.failed, 0),
        Line(3, f"pages lost of {expected}", ours.lost, 0),
        Line(3, f"requests in it / {begun['in_flight']:g} in flight at its start", ratio, 1.2),
        Line(3, "seconds from its end to the full rate", recovered, 2.0, timed=True),
    ]
    if not scale.compare:
        return lines
    server.reset(**settings)
    plain, _ = await asyncio.gather(
        plain_loop(server, handles, scale.outage_pages, policy, timeout), begin_when_all_wait()
    )
    what = f"{scale.outage:g} s outage, 300 handles"
    return [*lines, Compared(what, ours, plain, countable=False)]


def _recovery(server: FaultServer, since: float, end: float) -> float:
    """Return when half a second had four fifths of the pages of the second before `since`."""
    rates = {int(tenth): pages for tenth, pages in server.call("rates").items()}
    first = int(since * 10)
    usual = sum(rates.get(tenth, 0) for tenth in range(first - 10, first)) / 10
    for tenth in range(int(end * 10) + 1, int(end * 10) + 300):
        if sum(rates.get(tenth - back, 0) for back in range(5)) >= 0.8 * 5 * usual:
            return (tenth + 1) / 10 - end
    return 30.0


async def cancellations(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 4: cancel at random points, and go on each time."""
    server.reset(pages=10**6, rate=0.1, kinds=list(RETRIED), latency=0.001, seed=4)
    random, cancelled, seen = Random(4), 0, 0
    before = asyncio.all_tasks()
    wrong = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with client_of(server) as client:
            stream = client.iter_followers("ann")
            while cancelled < scale.cancellations:
                task = asyncio.create_task(stream._next_page())
                await asyncio.sleep(random.uniform(0, 0.006))
                task.cancel()
                try:
                    page = await task
                except asyncio.CancelledError:
                    cancelled += 1
                else:
                    assert page is not None
                    wrong += names(page.followers) != ids("ann", [seen])
                    seen += 1
            usage = client.usage
        gc.collect()
        with suppress(TimeoutError):
            await until(lambda: server.count.open == 0)
    count = server.count
    extra = count.charged - seen - count.faults_after
    return [
        Line(4, f"{cancelled} cancellations: {seen} pages, lost or doubled", wrong, 0),
        Line(4, "credits besides pages and faults, for each", max(0, extra) / cancelled, 1.0),
        Line(
            4,
            "credits that are in no counter",
            max(0, count.charged - usage.credits_charged - usage.maybe_charged),
            0,
        ),
        Line(4, "tasks left", len(asyncio.all_tasks() - before), 0),
        Line(4, "connections left", count.open, 0),
        Line(4, "warnings", len(caught), 0),
    ]


async def no_credits(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 5: the credits end in the middle of many handles."""
    handles = [f"h{number}" for number in range(scale.handles_without_credits)]
    balance = 2 * len(handles)
    server.reset(pages=4, balance=balance, latency=0.001)
    got: Counter[tuple[str, str | None]] = Counter()
    async with client_of(server) as client:
        async with client.iter_followers_many(handles, concurrency=50) as run:
            try:
                async for event in run:
                    if isinstance(event, FollowersPage):
                        got[event.handle, event.cursor] += 1
            except InsufficientCreditsError:
                pass
        pending, after = run.pending(), server.count.after_402
        undelivered = server.count.charged - got.total()
        pages = Counter(handle for handle, _ in got)
        misplaced = sum(
            (pending.get(h) != cursor_of(pages[h])) if pages[h] < 4 else h in pending
            for h in handles
        )
        server.call("credits", left=None)
        async with client.iter_followers_many(pending, concurrency=50) as run:
            async for event in run:
                if isinstance(event, FollowersPage):
                    got[event.handle, event.cursor] += 1
    return [
        Line(5, f"402 after {balance} pages: requests after it", after, 50),
        Line(5, "pages paid for and not delivered", undelivered, 0),
        Line(5, f"handles of {len(handles)} not pending at their cursor", misplaced, 0),
        Line(5, "then, with credits: pages lost", 4 * len(handles) - len(got), 0),
        Line(5, "pages doubled", got.total() - len(got), 0),
    ]

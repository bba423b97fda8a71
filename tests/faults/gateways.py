"""A real nginx and a real haproxy before the fault server: what a batch behind them costs.

    python -m tests.faults.gateways [--pages 3000]

The fault server charges a page and loses the response for 5 and for 30 % of the requests; then
the gateway is reloaded, restarted and killed while a batch runs. Prints what was seen beside the
goals, in about a minute. Exit code 1 if a goal is missed, 3 without nginx or haproxy.
"""

import argparse
import asyncio
import itertools
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from socialfetch_async import FollowersPage, RetryPolicy, SocialFetchClient
from socialfetch_async.events import Usage
from tests.faults.book import page_of
from tests.faults.child import Counters, FaultServer
from tests.faults.figures import Line
from tests.faults.gateway_processes import GATEWAYS, Gateway, killed_at_the_end
from tests.faults.harness import KEY, ids, names

FIGURE: Final = 17
NOT_INSTALLED: Final = 3
_PAGES_OF_A_LIST: Final = 20
_CONCURRENCY: Final = 20
# Charged, and then lost in every way in which an upstream loses a response.
_LOSES: Final = ("reset-after", "close-after", "head-after", "short-body", "cut-chunked")
_STALLS: Final = "stall-after"  # until the gateway's timeout of a second
_KINDS: Final = [*_LOSES * 4, _STALLS]
# Three of ten attempts fail: with the usual six, one page in 1,400 would fail by bad luck alone.
_POLICY: Final = RetryPolicy(max_attempts=15, base=0.02, cap=0.5, outage_patience=60.0)


class Seen(NamedTuple):
    """What came of a batch: first up to its credit limit, then all the rest.

    Attributes:
        at_limit: What the server had charged when the limit ended the first run.
        doubled: Pages delivered twice. `missing`, or with other rows than were served.
    """

    limit: int
    at_limit: int
    failed: int
    doubled: int
    missing: int
    delivered: int
    usage: Usage
    counted: Counters

    def lines(self, what: str, *, determined: bool) -> list[Line]:
        """Return the figures.

        Args:
            what: What the batch went through.
            determined: Every loss was the server's, and is in its ledger.
        """
        lost, maybe = self.counted.charged - self.delivered, self.usage.maybe_charged
        repeated = self.counted.requests - self.usage.requests_sent
        return [
            Line(FIGURE, f"{what}: charged beyond {self.limit}", self.at_limit - self.limit, 0,
                 -math.inf),
            Line(FIGURE, f"{what}: handles failed", self.failed, 0),
            Line(FIGURE, f"{what}: pages missing, wrong or twice", self.missing + self.doubled, 0),
            Line(FIGURE, f"{what}: requests not of the client", max(0, repeated), 0),
            Line(
                FIGURE,
                f"{what}: maybe_charged {maybe} / {lost} lost",
                maybe / lost if lost else 1.0,
                1.1 if determined else math.inf,
                least=1.0,
            ),
        ]  # fmt: skip


async def _batch(server: FaultServer, gateway: Gateway, lists: int) -> Seen:
    """Fetch all lists, with a limit first."""
    pending: dict[str, str | None] = {f"h{number}": None for number in range(lists)}
    pages: Counter[tuple[str, str | None]] = Counter()
    limit, wrong, failed = lists * _PAGES_OF_A_LIST // 2, 0, 0
    at_limit: int | None = None
    async with SocialFetchClient(
        KEY, base_url=gateway.base_url, retry=_POLICY, timeout=10.0, max_concurrency=_CONCURRENCY
    ) as client:
        while pending:
            left = limit if at_limit is None else None
            async with client.iter_followers_many(
                pending, concurrency=_CONCURRENCY, max_credits=left
            ) as run:
                async for event in run:
                    if isinstance(event, FollowersPage):
                        number = page_of(event.cursor)
                        assert number is not None
                        pages[event.handle, event.cursor] += 1
                        wrong += names(event.followers) != ids(event.handle, [number])
                    else:
                        failed += event.status == "failed"
            pending = run.pending()
            if at_limit is None:
                at_limit = server.count.charged
        assert at_limit is not None
        return Seen(
            limit=limit,
            at_limit=at_limit,
            failed=failed,
            doubled=pages.total() - len(pages),
            missing=lists * _PAGES_OF_A_LIST - len(pages) + wrong,
            delivered=pages.total(),
            usage=client.usage,
            counted=server.count,
        )


async def _disturb(gateway: Gateway, done: Callable[[str], None]) -> None:
    """Reload, restart and kill it, again and again."""
    moves: dict[str, Callable[[], Awaitable[None]]] = {
        "reloads": gateway.reload,
        "restarts": gateway.restart,
        "kills": gateway.die,
    }
    for name, move in itertools.cycle(moves.items()):
        await asyncio.sleep(0.7)
        await move()
        done(name)


async def _measured(
    server: FaultServer, kind: type[Gateway], folder: Path, lists: int
) -> list[Line]:
    """Measure behind one gateway."""
    lines: list[Line] = []
    usual = {"pages": _PAGES_OF_A_LIST, "kinds": _KINDS, "seed": 17}
    with killed_at_the_end(kind(folder, server.port)) as gateway:
        await gateway.start()
        for share in (0.05, 0.30):
            server.reset(rate=share, latency=0.005, **usual)
            seen = await _batch(server, gateway, lists)
            lines += seen.lines(f"{kind.name}, {share:.0%} lost", determined=True)
        server.reset(rate=0.05, latency=0.05, **usual)
        moves: Counter[str] = Counter()
        disturbing = asyncio.create_task(_disturb(gateway, lambda name: moves.update([name])))
        try:
            seen = await _batch(server, gateway, lists)
        finally:
            disturbing.cancel()
            with suppress(asyncio.CancelledError):
                await disturbing
        lines += seen.lines(f"{kind.name} restarted", determined=False)
        lines += [Line(FIGURE, f"{kind.name}: {name}", moves[name], math.inf, 1) for name in moves]
    return lines


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=3000, help="of each batch")
    lists = max(_CONCURRENCY, parser.parse_args().pages // _PAGES_OF_A_LIST)
    absent = [kind for kind in GATEWAYS if kind.program() is None]
    if absent:
        named = " and ".join(kind.name for kind in absent)
        packages = " ".join(kind.package for kind in absent)
        sys.stderr.write(
            f"NOT MEASURED: no {named} here. Debian: apt-get update; apt-get install {packages}\n"
        )
        return NOT_INSTALLED
    begun, lines = time.monotonic(), list[Line]()
    with FaultServer() as server, tempfile.TemporaryDirectory() as folder:
        for kind in GATEWAYS:
            lines += asyncio.run(_measured(server, kind, Path(folder), lists))
    reached = sum(line.passed for line in lines)
    took = time.monotonic() - begun
    printed = [*map(str, lines), "", f"{reached} of {len(lines)} goals reached in {took:.0f} s"]
    sys.stdout.write("\n".join(printed) + "\n")
    return int(reached < len(lines))


if __name__ == "__main__":
    sys.exit(main())

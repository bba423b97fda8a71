"""Figure 12: lists that begin again, and honest ones in which people come again."""

from typing import Any

from socialfetch_async import FollowersPage, PaginationError, SocialFetchClient
from tests.faults.child import FaultServer
from tests.faults.figures import Line, Scale
from tests.faults.harness import client_of

_PERIODS = (1, 2, 3, 20, 1_000)
_DEEP = 250  # pages of 20: behind the rows that are all remembered


async def begins_again(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 12: pages bought after the first repeat, and false alarms."""
    top = max([await _bought_again(server, 0, period, 0) for period in _PERIODS])
    shifted = max([await _bought_again(server, 0, period, 4) for period in _PERIODS])
    deep = max([await _bought_again(server, _DEEP, period, 0) for period in (1, 3, 20, 200)])
    return [
        Line(12, "pages after the first repeat of a list's top", top, 3),
        Line(12, "the same, shifted by 4 new followers in each turn", shifted, 3),
        Line(12, f"the same, in a circle behind {20 * _DEEP} rows", deep, 20),
        Line(12, f"false alarms in {scale.honest_lists} lists", await _alarms(server, scale), 0),
    ]


async def _bought_again(server: FaultServer, begins: int, period: int, shift: int) -> int:
    profile: dict[str, Any] = {
        "shape": "again",
        "begins": begins,
        "period": period,
        "shift": shift,
    }
    server.reset(rows=20, profiles={"ann": profile})
    async with client_of(server) as client:
        try:
            async for _ in client.iter_followers("ann", max_pages=begins + period + 50).pages():
                pass
        except PaginationError as error:
            assert error.reason == "no_progress"  # noqa: PT017 - a limit is no error
    return server.count.charged - begins - period


async def _alarms(server: FaultServer, scale: Scale) -> int:
    handles = [f"h{number}" for number in range(scale.honest_lists)]
    profiles = {handle: {"pages": 3, "repeats": 0.005} for handle in handles}
    profiles["h0"]["pages"] = profiles["h1"]["pages"] = 500
    server.reset(rows=20, profiles=profiles)
    async with client_of(server) as client:
        return await _failed(client, handles)


async def _failed(client: SocialFetchClient, handles: list[str]) -> int:
    async with client.iter_followers_many(handles, concurrency=20) as run:
        pages = sum([isinstance(event, FollowersPage) async for event in run])
    assert pages == 3 * (len(handles) - 2) + 1_000
    return sum(done.status != "complete" for done in run.outcomes.values())

"""Leftovers where the client's own connector is not there to see them; figure 11 has the rest."""

import aiohttp

from tests.faults.child import FaultServer
from tests.faults.figures_leftovers import WHOLE, under_another_name
from tests.faults.harness import THREE, client_of


async def test_an_injected_session_takes_none_that_can_be_seen(server: FaultServer) -> None:
    """Its connections are not ours; a whole answer on one of them is seen all the same."""
    server.reset(pages=25)
    async with (
        aiohttp.ClientSession() as session,
        client_of(server, retry=THREE, session=session) as client,
    ):
        assert await under_another_name(server, client, 25, WHOLE) == 0
        assert client.usage.retries == client.usage.maybe_charged == 0
        assert server.count.requests == client.usage.requests_sent == 1000


async def test_a_clean_connection_is_used_again(server: FaultServer) -> None:
    """For a thousand pages there is one."""
    server.reset(pages=1000)
    async with client_of(server) as client:
        pages = [page async for page in client.iter_followers("ann").pages()]
    assert len(pages) == 1000
    assert server.count.connections == 1

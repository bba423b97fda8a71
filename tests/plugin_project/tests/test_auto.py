"""pytest-asyncio in its automatic mode: nothing is marked."""

from collections.abc import AsyncIterator

import pytest
from audience import audience_of

from socialfetch_async import SocialFetchClient
from socialfetch_async.emulator import Emulator


@pytest.fixture
async def client(socialfetch_emulator: Emulator) -> AsyncIterator[SocialFetchClient]:
    """Give a client of the emulator."""
    async with SocialFetchClient() as client:
        yield client


async def test_an_audience_is_counted(socialfetch_emulator: Emulator) -> None:
    """As a test that is marked."""
    socialfetch_emulator.profile("ada", 45)
    audience = await audience_of("ada")
    assert audience is not None
    assert audience.followers == 45


async def test_credits_are_bought_while_pages_are_on_their_way(
    client: SocialFetchClient, socialfetch_emulator: Emulator
) -> None:
    """The emulator answers, and is steered, in the middle of the test's loop."""
    socialfetch_emulator.profile("ada", 50)
    socialfetch_emulator.credits = 1
    stream = client.iter_followers("ada")
    async for _ in stream:
        socialfetch_emulator.credits = 1
    assert stream.followers_seen == 50
    assert len(socialfetch_emulator.charges) == 3

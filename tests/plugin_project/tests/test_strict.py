"""pytest-asyncio in its strict mode: marked tests, a fixture of a client."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from audience import audience_of

from socialfetch_async import SocialFetchClient
from socialfetch_async.emulator import Emulator


@pytest_asyncio.fixture
async def client(socialfetch_emulator: Emulator) -> AsyncIterator[SocialFetchClient]:
    """Give a client of the emulator."""
    async with SocialFetchClient() as client:
        yield client


@pytest.mark.asyncio
async def test_an_audience_is_counted(socialfetch_emulator: Emulator) -> None:
    """While the test's loop waits, the emulator's goes on."""
    socialfetch_emulator.profile("ada", 45)
    audience = await audience_of("ada")
    assert audience is not None
    assert audience.followers == 45
    assert len(socialfetch_emulator.charges) == 3


@pytest.mark.asyncio
async def test_a_client_is_shared(
    client: SocialFetchClient, socialfetch_emulator: Emulator
) -> None:
    """The page is the emulator's, row by row."""
    socialfetch_emulator.profile("ada", 25)
    page = await client.get_followers_page("ada")
    rows = socialfetch_emulator.followers("ada")
    assert [follower.handle for follower in page.followers] == [r["handle"] for r in rows[:20]]
    assert page.total_followers == 25

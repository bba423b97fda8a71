"""anyio's own runner, on asyncio."""

import pytest
from audience import audience_of

from socialfetch_async.emulator import Emulator


@pytest.fixture
def anyio_backend() -> str:
    """The library is for asyncio."""
    return "asyncio"


@pytest.mark.anyio
async def test_an_audience_is_counted(socialfetch_emulator: Emulator) -> None:
    """As with any other runner."""
    socialfetch_emulator.profile("ada", 45)
    audience = await audience_of("ada")
    assert audience is not None
    assert audience.followers == 45
    assert len(socialfetch_emulator.charges) == 3

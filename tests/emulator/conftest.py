"""A plain session for every test of the emulator."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.emulator.harness import send_once


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a plain session that sends each request once."""
    async with aiohttp.ClientSession(middlewares=(send_once,), auto_decompress=False) as session:
        yield session

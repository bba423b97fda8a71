"""One Dask cluster for all tests that need one: it takes seconds to start."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from socialfetch_async.emulator import Emulator
from tests.faults import shards
from tests.faults.cluster import Cluster


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def stage() -> AsyncIterator[tuple[Emulator, Cluster]]:
    """The API, and two workers that buy from it."""
    async with shards.stage(2) as both:
        yield both


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what uses the cluster in one process, so that there is only one."""
    for item in items:
        if "stage" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("dask"))

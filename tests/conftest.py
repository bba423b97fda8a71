"""What the tests share."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from socialfetch_async import RetryPolicy, SocialFetchClient

KEY = "sfk_test_0123456789"
FAST = RetryPolicy(base=0.001, cap=0.002)

collect_ignore = ["plugin_project"]  # test_pytest_plugin.py runs it, in a place of its own

MakeClient = Callable[..., SocialFetchClient]


@pytest.fixture
async def client_of() -> AsyncIterator[MakeClient]:
    """Return a function that makes a client of a server with `base_url`; closed at the end."""
    async with AsyncExitStack() as stack:

        def make(server: Any, **options: Any) -> SocialFetchClient:
            client = SocialFetchClient(
                getattr(server, "api_key", KEY),
                base_url=server.base_url,
                **{"retry": FAST, **options},
            )
            stack.push_async_exit(client)
            return client

        yield make

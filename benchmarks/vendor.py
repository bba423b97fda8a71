"""A peer: another vendor's own asyncio SDK, `scrapebadger`, reading this API.

Its client, its retries and its paginator are as they come. Its paginator expects the rows under
`data` and the cursor beside them, so the page is put into that form first; its rows are parsed by
the same pydantic model as the peer with httpx.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from scrapebadger._internal.client import BaseClient
from scrapebadger._internal.config import ClientConfig
from scrapebadger._internal.pagination import paginate

from benchmarks import models


class Client(BaseClient):
    """The SDK's client, with the page model of this API."""

    def __init__(self, base_url: str, key: str) -> None:
        super().__init__(ClientConfig(api_key=key, base_url=base_url))

    async def get_with_headers(
        self, path: str, *, params: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Fetch a page, and put rows and cursor where the paginator looks for them."""
        answer, headers = await super().get_with_headers(path, params=params)
        data = answer["data"]
        return {"data": data["followers"], "next_cursor": data["page"]["nextCursor"]}, headers

    def followers(self, handle: str) -> AsyncIterator[models.PydanticFollower]:
        """Iterate over the followers of a profile."""
        path = f"/v1/tiktok/profiles/{handle}/followers"
        return paginate(self, path, {}, models.PydanticFollower.model_validate)

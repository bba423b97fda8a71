"""A client in the manner of generated SDKs: the real `openai` base classes, with our models."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from openai._base_client import AsyncAPIClient, AsyncPaginator, BaseAsyncPage, BasePage, PageInfo
from openai._models import BaseModel
from pydantic import Field

Item = TypeVar("Item")


class AvatarUrls(BaseModel):
    """Pictures."""

    large: str | None = None
    medium: str | None = None
    thumb: str | None = None


class Metrics(BaseModel):
    """Counts."""

    followers: int
    following: int


class Follower(BaseModel):
    """One row."""

    handle: str
    display_name: str | None = Field(default=None, alias="displayName")
    avatar_url: str | None = Field(default=None, alias="avatarUrl")
    avatar_urls: AvatarUrls | None = Field(default=None, alias="avatarUrls")
    platform_user_id: str | None = Field(default=None, alias="platformUserId")
    sec_uid: str | None = Field(default=None, alias="secUid")
    bio: str | None = None
    verified: bool
    private_account: bool = Field(alias="privateAccount")
    metrics: Metrics


class Position(BaseModel):
    """Where the list goes on."""

    next_cursor: str | None = Field(default=None, alias="nextCursor")
    has_more: bool = Field(alias="hasMore")


class Data(BaseModel, Generic[Item]):
    """`data`."""

    lookup_status: str = Field(alias="lookupStatus")
    followers: list[Item]
    page: Position
    total_followers: int | None = Field(default=None, alias="totalFollowers")


class Meta(BaseModel):
    """`meta`."""

    request_id: str = Field(alias="requestId")
    credits_charged: int = Field(alias="creditsCharged")


class FollowersPage(BaseAsyncPage[Item], BasePage[Item], Generic[Item]):
    """The page class that such a generator would write."""

    data: Data[Item]
    meta: Meta

    def _get_page_items(self) -> list[Item]:
        return self.data.followers

    def next_page_info(self) -> PageInfo | None:
        """Say how to ask for the next page."""
        position = self.data.page
        if not position.has_more or position.next_cursor is None:
            return None
        return PageInfo(params={"cursor": position.next_cursor})


class Client(AsyncAPIClient):
    """The generated client."""

    def __init__(self, base_url: str, key: str) -> None:
        super().__init__(
            version="1",
            base_url=base_url,
            custom_headers={"x-api-key": key},
            _strict_response_validation=False,
        )

    def followers(self, handle: str) -> AsyncIterator[Follower]:
        """Iterate over the followers of a profile."""
        path = f"/v1/tiktok/profiles/{handle}/followers"
        paginator: AsyncPaginator[Follower, FollowersPage[Follower]] = self.get_api_list(
            path, page=FollowersPage[Follower], model=Follower
        )
        return aiter(paginator)

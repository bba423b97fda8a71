"""The same page as Structs and as pydantic models, as a user would write them down."""

import msgspec
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

# -- msgspec ------------------------------------------------------------------------------------


class AvatarUrls(msgspec.Struct):
    """Pictures."""

    large: str | None = None
    medium: str | None = None
    thumb: str | None = None


class Metrics(msgspec.Struct):
    """Counts."""

    followers: int
    following: int


class Follower(msgspec.Struct, kw_only=True, rename="camel"):
    """One row."""

    handle: str
    display_name: str | None
    avatar_url: str | None
    avatar_urls: AvatarUrls | None = None
    platform_user_id: str | None = None
    sec_uid: str | None = None
    bio: str | None
    verified: bool
    private_account: bool
    metrics: Metrics


class Position(msgspec.Struct, rename="camel"):
    """Where the list goes on."""

    next_cursor: str | None
    has_more: bool


class Data(msgspec.Struct, rename="camel"):
    """`data`."""

    lookup_status: str
    followers: list[Follower]
    page: Position
    total_followers: int | None


class Meta(msgspec.Struct, rename="camel"):
    """`meta`."""

    request_id: str
    credits_charged: int


class Page(msgspec.Struct):
    """One page."""

    data: Data
    meta: Meta


DECODER = msgspec.json.Decoder(Page)


# -- pydantic -----------------------------------------------------------------------------------


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class PydanticAvatarUrls(_Camel):
    """Pictures."""

    large: str | None = None
    medium: str | None = None
    thumb: str | None = None


class PydanticMetrics(_Camel):
    """Counts."""

    followers: int
    following: int


class PydanticFollower(_Camel):
    """One row."""

    handle: str
    display_name: str | None
    avatar_url: str | None
    avatar_urls: PydanticAvatarUrls | None = None
    platform_user_id: str | None = None
    sec_uid: str | None = None
    bio: str | None
    verified: bool
    private_account: bool
    metrics: PydanticMetrics


class PydanticPosition(_Camel):
    """Where the list goes on."""

    next_cursor: str | None
    has_more: bool


class PydanticData(_Camel):
    """`data`."""

    lookup_status: str
    followers: list[PydanticFollower]
    page: PydanticPosition
    total_followers: int | None


class PydanticMeta(_Camel):
    """`meta`."""

    request_id: str
    credits_charged: int


class PydanticPage(_Camel):
    """One page."""

    data: PydanticData
    meta: PydanticMeta

"""Every TikTok follower that was paid for, once: an asyncio client of the Social Fetch API.

The names below load when they are first used, so that `import socialfetch_async` costs next to
nothing (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from socialfetch_async._version import __version__

if TYPE_CHECKING:
    from socialfetch_async._protocol.retry import RetryPolicy
    from socialfetch_async.client import SocialFetchClient
    from socialfetch_async.errors import (
        APIStatusError,
        AuthenticationError,
        BadRequestError,
        ConnectError,
        ConnectionLostError,
        DecodeError,
        IncompleteRunError,
        InsufficientCreditsError,
        InternalServerError,
        InvalidHandleError,
        LookupFailedError,
        NotFoundError,
        PaginationError,
        PayloadError,
        PermissionDeniedError,
        ProfileUnavailableError,
        RateLimitError,
        RequestTimeoutError,
        ResponseTooLargeError,
        ServerError,
        ServiceUnavailableError,
        SocialFetchError,
        TLSError,
        TransportError,
        UnexpectedRedirectError,
    )
    from socialfetch_async.models import (
        AvatarUrls,
        Balance,
        Follower,
        FollowerMetrics,
        FollowersPage,
        HandleDone,
        Subscription,
        Usage,
        User,
    )
    from socialfetch_async.run import FollowersRun
    from socialfetch_async.stream import FollowerStream

__all__ = [
    "APIStatusError",
    "AuthenticationError",
    "AvatarUrls",
    "BadRequestError",
    "Balance",
    "ConnectError",
    "ConnectionLostError",
    "DecodeError",
    "Follower",
    "FollowerMetrics",
    "FollowerStream",
    "FollowersPage",
    "FollowersRun",
    "HandleDone",
    "IncompleteRunError",
    "InsufficientCreditsError",
    "InternalServerError",
    "InvalidHandleError",
    "LookupFailedError",
    "NotFoundError",
    "PaginationError",
    "PayloadError",
    "PermissionDeniedError",
    "ProfileUnavailableError",
    "RateLimitError",
    "RequestTimeoutError",
    "ResponseTooLargeError",
    "RetryPolicy",
    "ServerError",
    "ServiceUnavailableError",
    "SocialFetchClient",
    "SocialFetchError",
    "Subscription",
    "TLSError",
    "TransportError",
    "UnexpectedRedirectError",
    "Usage",
    "User",
    "__version__",
]

_HOMES = {
    "FollowerStream": "stream",
    "FollowersRun": "run",
    "RetryPolicy": "_protocol.retry",
    "SocialFetchClient": "client",
} | dict.fromkeys(
    [
        "AvatarUrls",
        "Balance",
        "Follower",
        "FollowerMetrics",
        "FollowersPage",
        "HandleDone",
        "Subscription",
        "Usage",
        "User",
    ],
    "models",
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

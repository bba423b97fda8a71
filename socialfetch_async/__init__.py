"""Every TikTok follower that was paid for, once: an asyncio client of the Social Fetch API.

A table of contents. The names load when they are first used (PEP 562), so that
`import socialfetch_async` costs next to nothing.

PYTEST_DONT_REWRITE: there is a pytest plugin in here, and no test.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from socialfetch_async._version import __version__ as __version__

if TYPE_CHECKING:
    from socialfetch_async.batch import (
        estimate_followers as estimate_followers,
        export_followers as export_followers,
    )
    from socialfetch_async.client import (
        SocialFetchClient as SocialFetchClient,
    )
    from socialfetch_async.errors import (
        APIStatusError as APIStatusError,
        AuthenticationError as AuthenticationError,
        BadRequestError as BadRequestError,
        ClusterError as ClusterError,
        ConnectError as ConnectError,
        ConnectionLostError as ConnectionLostError,
        CreditLimitError as CreditLimitError,
        DecodeError as DecodeError,
        ExportError as ExportError,
        GatewayError as GatewayError,
        IncompleteRunError as IncompleteRunError,
        InsufficientCreditsError as InsufficientCreditsError,
        InternalServerError as InternalServerError,
        InvalidHandleError as InvalidHandleError,
        JournalError as JournalError,
        LookupFailedError as LookupFailedError,
        NotFoundError as NotFoundError,
        PaginationError as PaginationError,
        PayloadError as PayloadError,
        PermissionDeniedError as PermissionDeniedError,
        ProfileUnavailableError as ProfileUnavailableError,
        RateLimitError as RateLimitError,
        RequestTimeoutError as RequestTimeoutError,
        ResponseTooLargeError as ResponseTooLargeError,
        ServerError as ServerError,
        ServiceUnavailableError as ServiceUnavailableError,
        ShardTakenError as ShardTakenError,
        SocialFetchError as SocialFetchError,
        TLSError as TLSError,
        TransportError as TransportError,
        UnexpectedRedirectError as UnexpectedRedirectError,
    )
    from socialfetch_async.events import (
        HandleDone as HandleDone,
        Usage as Usage,
    )
    from socialfetch_async.export import (
        convert as convert,
    )
    from socialfetch_async.journal import (
        Journal as Journal,
        read_journal as read_journal,
    )
    from socialfetch_async.models import (
        Account as Account,
        AccountMetrics as AccountMetrics,
        AvatarUrls as AvatarUrls,
        Balance as Balance,
        Follower as Follower,
        FollowerMetrics as FollowerMetrics,
        FollowersPage as FollowersPage,
        FollowingPage as FollowingPage,
        ItemsPage as ItemsPage,
        ListPage as ListPage,
        Profile as Profile,
        ProfileDetails as ProfileDetails,
        ProfileMetrics as ProfileMetrics,
        Subscription as Subscription,
        User as User,
    )
    from socialfetch_async.policy import (
        RetryPolicy as RetryPolicy,
    )
    from socialfetch_async.run import (
        FollowersRun as FollowersRun,
        FollowingRun as FollowingRun,
    )
    from socialfetch_async.stream import (
        FollowerStream as FollowerStream,
        FollowingStream as FollowingStream,
        ItemStream as ItemStream,
        Position as Position,
    )

# Rooms from the core outwards, and what each gives to the top. Everything else is imported from
# its room: events, journal, batch, export, cluster, web, emulator.
_ROOMS: Final = {
    "client": ["SocialFetchClient"],
    "stream": ["FollowerStream", "FollowingStream", "ItemStream", "Position"],
    "run": ["FollowersRun", "FollowingRun"],
    "models": [
        "Account",
        "AccountMetrics",
        "AvatarUrls",
        "Balance",
        "Follower",
        "FollowerMetrics",
        "FollowersPage",
        "FollowingPage",
        "ItemsPage",
        "ListPage",
        "Profile",
        "ProfileDetails",
        "ProfileMetrics",
        "Subscription",
        "User",
    ],
    "events": ["HandleDone", "Usage"],
    "policy": ["RetryPolicy"],
    "errors": [
        "APIStatusError",
        "AuthenticationError",
        "BadRequestError",
        "ClusterError",
        "ConnectError",
        "ConnectionLostError",
        "CreditLimitError",
        "DecodeError",
        "ExportError",
        "GatewayError",
        "IncompleteRunError",
        "InsufficientCreditsError",
        "InternalServerError",
        "InvalidHandleError",
        "JournalError",
        "LookupFailedError",
        "NotFoundError",
        "PaginationError",
        "PayloadError",
        "PermissionDeniedError",
        "ProfileUnavailableError",
        "RateLimitError",
        "RequestTimeoutError",
        "ResponseTooLargeError",
        "ServerError",
        "ServiceUnavailableError",
        "ShardTakenError",
        "SocialFetchError",
        "TLSError",
        "TransportError",
        "UnexpectedRedirectError",
    ],
    "journal": ["Journal", "read_journal"],
    "batch": ["estimate_followers", "export_followers"],
    "export": ["convert"],
}
_HOMES: Final = {name: room for room, names in _ROOMS.items() for name in names}

if not TYPE_CHECKING:  # type checkers read the imports above
    __all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - they are strings


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])

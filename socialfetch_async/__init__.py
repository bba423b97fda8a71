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
        export_followers as export_followers,
    )
    from socialfetch_async.client import (
        SocialFetchClient as SocialFetchClient,
    )
    from socialfetch_async.errors import (
        APIStatusError as APIStatusError,
    )
    from socialfetch_async.errors import (
        AuthenticationError as AuthenticationError,
    )
    from socialfetch_async.errors import (
        BadRequestError as BadRequestError,
    )
    from socialfetch_async.errors import (
        ClusterError as ClusterError,
    )
    from socialfetch_async.errors import (
        ConnectError as ConnectError,
    )
    from socialfetch_async.errors import (
        ConnectionLostError as ConnectionLostError,
    )
    from socialfetch_async.errors import (
        DecodeError as DecodeError,
    )
    from socialfetch_async.errors import (
        ExportError as ExportError,
    )
    from socialfetch_async.errors import (
        IncompleteRunError as IncompleteRunError,
    )
    from socialfetch_async.errors import (
        InsufficientCreditsError as InsufficientCreditsError,
    )
    from socialfetch_async.errors import (
        InternalServerError as InternalServerError,
    )
    from socialfetch_async.errors import (
        InvalidHandleError as InvalidHandleError,
    )
    from socialfetch_async.errors import (
        JournalError as JournalError,
    )
    from socialfetch_async.errors import (
        LookupFailedError as LookupFailedError,
    )
    from socialfetch_async.errors import (
        NotFoundError as NotFoundError,
    )
    from socialfetch_async.errors import (
        PaginationError as PaginationError,
    )
    from socialfetch_async.errors import (
        PayloadError as PayloadError,
    )
    from socialfetch_async.errors import (
        PermissionDeniedError as PermissionDeniedError,
    )
    from socialfetch_async.errors import (
        ProfileUnavailableError as ProfileUnavailableError,
    )
    from socialfetch_async.errors import (
        RateLimitError as RateLimitError,
    )
    from socialfetch_async.errors import (
        RequestTimeoutError as RequestTimeoutError,
    )
    from socialfetch_async.errors import (
        ResponseTooLargeError as ResponseTooLargeError,
    )
    from socialfetch_async.errors import (
        ServerError as ServerError,
    )
    from socialfetch_async.errors import (
        ServiceUnavailableError as ServiceUnavailableError,
    )
    from socialfetch_async.errors import (
        ShardTakenError as ShardTakenError,
    )
    from socialfetch_async.errors import (
        SocialFetchError as SocialFetchError,
    )
    from socialfetch_async.errors import (
        TLSError as TLSError,
    )
    from socialfetch_async.errors import (
        TransportError as TransportError,
    )
    from socialfetch_async.errors import (
        UnexpectedRedirectError as UnexpectedRedirectError,
    )
    from socialfetch_async.events import (
        HandleDone as HandleDone,
    )
    from socialfetch_async.events import (
        Usage as Usage,
    )
    from socialfetch_async.export import (
        convert as convert,
    )
    from socialfetch_async.journal import (
        Journal as Journal,
    )
    from socialfetch_async.journal import (
        read_journal as read_journal,
    )
    from socialfetch_async.models import (
        Account as Account,
    )
    from socialfetch_async.models import (
        AccountMetrics as AccountMetrics,
    )
    from socialfetch_async.models import (
        AvatarUrls as AvatarUrls,
    )
    from socialfetch_async.models import (
        Balance as Balance,
    )
    from socialfetch_async.models import (
        Follower as Follower,
    )
    from socialfetch_async.models import (
        FollowerMetrics as FollowerMetrics,
    )
    from socialfetch_async.models import (
        FollowersPage as FollowersPage,
    )
    from socialfetch_async.models import (
        FollowingPage as FollowingPage,
    )
    from socialfetch_async.models import (
        ItemsPage as ItemsPage,
    )
    from socialfetch_async.models import (
        ListPage as ListPage,
    )
    from socialfetch_async.models import (
        Profile as Profile,
    )
    from socialfetch_async.models import (
        ProfileDetails as ProfileDetails,
    )
    from socialfetch_async.models import (
        ProfileMetrics as ProfileMetrics,
    )
    from socialfetch_async.models import (
        Subscription as Subscription,
    )
    from socialfetch_async.models import (
        User as User,
    )
    from socialfetch_async.policy import (
        RetryPolicy as RetryPolicy,
    )
    from socialfetch_async.run import (
        FollowersRun as FollowersRun,
    )
    from socialfetch_async.run import (
        FollowingRun as FollowingRun,
    )
    from socialfetch_async.stream import (
        FollowerStream as FollowerStream,
    )
    from socialfetch_async.stream import (
        FollowingStream as FollowingStream,
    )
    from socialfetch_async.stream import (
        ItemStream as ItemStream,
    )
    from socialfetch_async.stream import (
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
        "DecodeError",
        "ExportError",
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
    "batch": ["export_followers"],
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

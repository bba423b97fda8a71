"""Every TikTok follower that was paid for, once: an asyncio client of the Social Fetch API.

The names below load when they are first used, so that `import socialfetch_async` costs next to
nothing (PEP 562).

PYTEST_DONT_REWRITE: there is a pytest plugin in here, and no test.
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
    from socialfetch_async.export.conversion import ExportResult, convert
    from socialfetch_async.export.difference import Change, diff
    from socialfetch_async.export.errors import ExportError
    from socialfetch_async.journal.journal import Journal
    from socialfetch_async.journal.lines import JournalError, SavedPage
    from socialfetch_async.journal.reading import SavedHandle, SavedRun, read_journal
    from socialfetch_async.models import (
        Account,
        AccountMetrics,
        AvatarUrls,
        Balance,
        Follower,
        FollowerMetrics,
        FollowersPage,
        FollowingPage,
        HandleDone,
        ItemsPage,
        Profile,
        ProfileDetails,
        ProfileMetrics,
        Subscription,
        Usage,
        User,
    )
    from socialfetch_async.run import FollowersRun, FollowingRun
    from socialfetch_async.stream import FollowerStream, FollowingStream, ItemStream

__all__ = [
    "APIStatusError",
    "Account",
    "AccountMetrics",
    "AuthenticationError",
    "AvatarUrls",
    "BadRequestError",
    "Balance",
    "Change",
    "ConnectError",
    "ConnectionLostError",
    "DecodeError",
    "ExportError",
    "ExportResult",
    "Follower",
    "FollowerMetrics",
    "FollowerStream",
    "FollowersPage",
    "FollowersRun",
    "FollowingPage",
    "FollowingRun",
    "FollowingStream",
    "HandleDone",
    "IncompleteRunError",
    "InsufficientCreditsError",
    "InternalServerError",
    "InvalidHandleError",
    "ItemStream",
    "ItemsPage",
    "Journal",
    "JournalError",
    "LookupFailedError",
    "NotFoundError",
    "PaginationError",
    "PayloadError",
    "PermissionDeniedError",
    "Profile",
    "ProfileDetails",
    "ProfileMetrics",
    "ProfileUnavailableError",
    "RateLimitError",
    "RequestTimeoutError",
    "ResponseTooLargeError",
    "RetryPolicy",
    "SavedHandle",
    "SavedPage",
    "SavedRun",
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
    "convert",
    "diff",
    "read_journal",
]

_HOMES = {
    "Change": "export.difference",
    "ExportError": "export.errors",
    "ExportResult": "export.conversion",
    "FollowerStream": "stream",
    "FollowersRun": "run",
    "FollowingRun": "run",
    "FollowingStream": "stream",
    "ItemStream": "stream",
    "Journal": "journal.journal",
    "JournalError": "journal.lines",
    "RetryPolicy": "_protocol.retry",
    "SavedHandle": "journal.reading",
    "SavedPage": "journal.lines",
    "SavedRun": "journal.reading",
    "SocialFetchClient": "client",
    "convert": "export.conversion",
    "diff": "export.difference",
    "read_journal": "journal.reading",
} | dict.fromkeys(
    [
        "Account",
        "AccountMetrics",
        "AvatarUrls",
        "Balance",
        "Follower",
        "FollowerMetrics",
        "FollowersPage",
        "FollowingPage",
        "HandleDone",
        "ItemsPage",
        "Profile",
        "ProfileDetails",
        "ProfileMetrics",
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

"""Every TikTok follower that was paid for, once: an asyncio client of the Social Fetch API.

The names below load when they are first used, so that `import socialfetch_async` costs next to
nothing (PEP 562).

PYTEST_DONT_REWRITE: there is a pytest plugin in here, and no test.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from socialfetch_async._version import __version__

if TYPE_CHECKING:
    from socialfetch_async.batch.call import export_followers
    from socialfetch_async.batch.progress import BatchProgress, BatchResult
    from socialfetch_async.client import SocialFetchClient
    from socialfetch_async.cluster.export_on import ClusterResult, export_on
    from socialfetch_async.cluster.shards import ShardResult, run_shard, run_shard_async
    from socialfetch_async.errors import (
        APIStatusError,
        AuthenticationError,
        BadRequestError,
        ClusterError,
        ConnectError,
        ConnectionLostError,
        DecodeError,
        ExportError,
        IncompleteRunError,
        InsufficientCreditsError,
        InternalServerError,
        InvalidHandleError,
        JournalError,
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
        ShardTakenError,
        SocialFetchError,
        TLSError,
        TransportError,
        UnexpectedRedirectError,
    )
    from socialfetch_async.events import (
        AttemptEnded,
        Event,
        HandleDone,
        OutageBegan,
        OutageEnded,
        RequestContext,
        RetryPlanned,
        Usage,
    )
    from socialfetch_async.export.conversion import ExportResult, convert
    from socialfetch_async.export.difference import Change, diff
    from socialfetch_async.journal.journal import Journal
    from socialfetch_async.journal.lines import SavedPage
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
        ItemsPage,
        ListPage,
        Profile,
        ProfileDetails,
        ProfileMetrics,
        Subscription,
        User,
    )
    from socialfetch_async.policy import RetryPolicy
    from socialfetch_async.run import FollowersRun, FollowingRun
    from socialfetch_async.stream import FollowerStream, FollowingStream, ItemStream

__all__ = [
    "APIStatusError",
    "Account",
    "AccountMetrics",
    "AttemptEnded",
    "AuthenticationError",
    "AvatarUrls",
    "BadRequestError",
    "Balance",
    "BatchProgress",
    "BatchResult",
    "Change",
    "ClusterError",
    "ClusterResult",
    "ConnectError",
    "ConnectionLostError",
    "DecodeError",
    "Event",
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
    "ListPage",
    "LookupFailedError",
    "NotFoundError",
    "OutageBegan",
    "OutageEnded",
    "PaginationError",
    "PayloadError",
    "PermissionDeniedError",
    "Profile",
    "ProfileDetails",
    "ProfileMetrics",
    "ProfileUnavailableError",
    "RateLimitError",
    "RequestContext",
    "RequestTimeoutError",
    "ResponseTooLargeError",
    "RetryPlanned",
    "RetryPolicy",
    "SavedHandle",
    "SavedPage",
    "SavedRun",
    "ServerError",
    "ServiceUnavailableError",
    "ShardResult",
    "ShardTakenError",
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
    "export_followers",
    "export_on",
    "read_journal",
    "run_shard",
    "run_shard_async",
]

_HOMES = {
    "AttemptEnded": "events",
    "BatchProgress": "batch.progress",
    "BatchResult": "batch.progress",
    "Change": "export.difference",
    "ClusterResult": "cluster.export_on",
    "Event": "events",
    "HandleDone": "events",
    "Usage": "events",
    "ExportResult": "export.conversion",
    "FollowerStream": "stream",
    "FollowersRun": "run",
    "FollowingRun": "run",
    "FollowingStream": "stream",
    "ItemStream": "stream",
    "Journal": "journal.journal",
    "OutageBegan": "events",
    "OutageEnded": "events",
    "RequestContext": "events",
    "RetryPlanned": "events",
    "RetryPolicy": "policy",
    "SavedHandle": "journal.reading",
    "SavedPage": "journal.lines",
    "SavedRun": "journal.reading",
    "ShardResult": "cluster.shards",
    "SocialFetchClient": "client",
    "convert": "export.conversion",
    "diff": "export.difference",
    "export_followers": "batch.call",
    "export_on": "cluster.export_on",
    "read_journal": "journal.reading",
    "run_shard": "cluster.shards",
    "run_shard_async": "cluster.shards",
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
        "ItemsPage",
        "ListPage",
        "Profile",
        "ProfileDetails",
        "ProfileMetrics",
        "Subscription",
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

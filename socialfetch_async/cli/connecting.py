"""The client of a command: from its options and its environment."""

import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async._terminal import say
from socialfetch_async.batch import Pace
from socialfetch_async.cli.proxies import proxy_for
from socialfetch_async.cli.words import number
from socialfetch_async.client import DEFAULT_BASE_URL, SocialFetchClient
from socialfetch_async.errors import APIStatusError, SocialFetchError, TransportError
from socialfetch_async.policy import RetryPolicy

_KEY: Final = "SOCIALFETCH_API_KEY"
_LIMIT: Final = "SOCIALFETCH_MAX_CREDITS"
_CONCURRENCY: Final = 50
_FIRST_PATIENCE: Final = 30.0  # seconds, for somebody who waits at a terminal
_FILES: Final = 100  # open files besides those of the connections: journals, exports, modules
# What the sentences of errors say to programs, as patterns, and what it is here.
_OPTIONS: Final = {
    "request id; `error.body` has the response": "request id",
    r"Raise max_response_bytes if .*? expected\. ?": "",
    r"format=\.\.\.": "--format",
    "spreadsheet is for": "--spreadsheet is for",
    "partial=True": "--partial",
    "overwrite=True": "--overwrite",
    'refresh="all"': "--refresh=all",
    r"base_url\b": "SOCIALFETCH_BASE_URL",
    r"max_credits\b": "--max-credits",
    "first_patience=": "",
}


class Connection(NamedTuple):
    """How a command talks to the API; None is the default.

    Attributes:
        retries: Further attempts at a page that failed.
        timeout: Seconds for one attempt.
        rate: Requests per second.
        patience: Seconds to wait in an outage.
    """

    retries: int | None = None
    timeout: float | None = None
    rate: float | None = None
    patience: float | None = None

    def words(self) -> list[str]:
        """Return these options as they are typed."""
        given = [f"--{n}={number(v)}" for n, v in self._asdict().items() if v is not None]
        return [f"{word}s" if word.startswith("--patience") else word for word in given]

    def client(
        self, *, max_credits: int | None = None, concurrency: int = _CONCURRENCY, buys: bool = True
    ) -> SocialFetchClient:
        """Return a client.

        Args:
            max_credits: The most that it may spend.
            concurrency: Requests in flight at a time.
            buys: It is for a job, which waits out an outage; not for one free question.

        Raises:
            ValueError: The key is missing, or a variable of the environment is not valid.
        """
        if not os.environ.get(_KEY):
            raise ValueError(
                f"no API key. Set {_KEY} to {arguments.A_KEY}. No request was sent. To try the "
                "command without a key: socialfetch demo"
            )
        _allow_open_files(concurrency + _FILES)
        return SocialFetchClient(
            base_url=base_url(),
            proxy=proxy_for(base_url(), os.environ),
            max_concurrency=concurrency,
            timeout=30.0 if self.timeout is None else self.timeout,
            retry=self.policy(concurrency, RetryPolicy.batch() if buys else RetryPolicy()),
            max_credits=max_credits,
            limiter=None if self.rate is None else Pace(self.rate),
        )

    def policy(self, concurrency: int, policy: RetryPolicy) -> RetryPolicy:
        """Return how often and how long a page is tried, with the options in place."""
        if self.retries is not None:
            policy = msgspec.structs.replace(policy, max_attempts=self.retries + 1)
        if self.patience is None:
            policy = msgspec.structs.replace(policy, first_patience=_FIRST_PATIENCE)
        else:
            policy = msgspec.structs.replace(
                policy,
                outage_patience=self.patience,
                retry_after_cap=max(RetryPolicy().retry_after_cap, self.patience),
            )
        if self.rate is not None:  # a page may wait for its turn between two attempts
            waits = policy.max_attempts * concurrency / self.rate
            policy = msgspec.structs.replace(policy, deadline=policy.deadline + waits)
        return policy


def _allow_open_files(needed: int) -> None:
    """Raise this process's own limit, where it may: macOS sets 256, and a connection is a file."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # the system has a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def base_url() -> str:
    """Return the URL of the API.

    Raises:
        ValueError: The environment's is not valid.
    """
    return arguments.base_url(os.environ.get("SOCIALFETCH_BASE_URL") or DEFAULT_BASE_URL)


def max_credits(typed: int | None) -> int | None:
    """Return the credit limit of a command: the option, else the environment's.

    Raises:
        ValueError: The environment's is not valid.
    """
    given = arguments.credits_of(_LIMIT, os.environ.get(_LIMIT))
    return given if typed is None else typed


async def name_api(url: str) -> None:
    """Say on stderr that a command uses another API than the vendor's."""
    if arguments.origin(url) != arguments.origin(DEFAULT_BASE_URL):
        await say([f"socialfetch: using {url} instead of the vendor's API ({DEFAULT_BASE_URL})"])


@asynccontextmanager
async def connected(client: SocialFetchClient) -> AsyncIterator[SocialFetchClient]:
    """Open a client for a block, and first of all name its API."""
    await name_api(client.base_url)
    async with client:
        yield client


def told(error: Exception, url: str | None = None, *, summary: bool = False) -> str:
    """Return the sentence of an error as the command says it.

    It names the host that it is about; the arguments that it names are options here.

    Args:
        error: The error.
        url: The URL of the API; by default that of the environment.
        summary: Only what happened.
    """
    text = error.summary if summary and isinstance(error, SocialFetchError) else str(error)
    for argument, option in _OPTIONS.items():
        text = re.sub(rf"(?<!\w){argument}", option, text)
    if not isinstance(error, TransportError | APIStatusError):
        return text
    return f"{urlsplit(base_url() if url is None else url).netloc}: {text}"

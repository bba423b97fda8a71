"""One credit limit for all requests to a process."""

import contextlib
from collections.abc import Iterator

from socialfetch_async import _arguments as arguments
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.stream import FollowerStream
from socialfetch_async.web._requests import CreditsSpentError, about_the_request


class CreditLimit:
    """What all requests to one process may spend together, in credits.

    A request's own limit is set aside while it is served; what it did not spend comes back. So
    the sum is exact at any concurrency, for requests that are served through `stream`.

    Args:
        client: The client whose `usage` is limited, from its first request on.
        max_credits: The limit; it can be raised later.
    """

    def __init__(self, client: SocialFetchClient, max_credits: int) -> None:
        self._client = client
        self._granted: dict[FollowerStream, int] = {}
        self.max_credits = arguments.required("max_credits", max_credits)

    @property
    def left(self) -> int:
        """Credits that are neither spent nor set aside."""
        usage = self._client.usage
        # A failed attempt of a request that is still served counts twice until it ends.
        held = sum(most - stream.credits_charged for stream, most in self._granted.items())
        return self.max_credits - usage.credits_charged - usage.maybe_charged - held

    @contextlib.contextmanager
    def stream(
        self, handle: str, *, cursor: str | None, max_credits: int, trim: bool = False
    ) -> Iterator[FollowerStream]:
        """Give a stream of followers that spends what is left at most.

        Args:
            handle: As for `client.iter_followers`.
            cursor: As for `client.iter_followers`.
            max_credits: What this request may spend, if that much is left.
            trim: As for `client.iter_followers`.

        Raises:
            InvalidRequestError: An empty cursor, a limit below 1. InvalidHandleError: No handle.
            CreditsSpentError: Nothing is left.
        """
        with about_the_request():
            arguments.required("max_credits", max_credits)
            granted = min(max_credits, self.left)
            if granted < 1:
                raise CreditsSpentError(f"the {self.max_credits} credits are spent or set aside")
            stream = self._client.iter_followers(
                handle, cursor=cursor, max_credits=granted, trim=trim
            )
        self._granted[stream] = granted
        try:
            yield stream
        finally:
            del self._granted[stream]

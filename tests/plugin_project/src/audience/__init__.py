"""How large an audience is, and what it cost to find out."""

from dataclasses import dataclass

from socialfetch_async import ProfileUnavailableError, RetryPolicy, SocialFetchClient

DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True)
class Audience:
    """What was found out about one profile."""

    followers: int
    verified: int
    credits: int
    complete: bool


async def audience_of(
    handle: str, *, max_credits: int | None = None, retry: RetryPolicy = DEFAULT_RETRY
) -> Audience | None:
    """Read a list; None where it cannot be had."""
    async with SocialFetchClient(retry=retry) as client:
        stream = client.iter_followers(handle, max_credits=max_credits)
        verified = 0
        try:
            async for follower in stream:
                verified += follower.verified
        except ProfileUnavailableError:
            return None
        complete = stream.stop_reason == "complete"
        return Audience(stream.followers_seen, verified, stream.credits_charged, complete)

"""How patient a client is."""

from typing import Self

import msgspec

from socialfetch_async import _arguments as arguments


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how long one page is requested. Times are in seconds.

    Attributes:
        max_attempts: Attempts at one page, the first included.
        deadline: For all attempts and waits of one page, from the first free slot on.
        base: The first wait is up to this long, each further one up to twice as long ...
        cap: ... but not longer than this (full jitter: between 0 and that).
        retry_after_cap: The longest Retry-After that is waited for; beyond it the error is raised
            immediately, with `retry_after`.
        wait_in_outage: Whether to wait while the circuit breaker is open, or to fail immediately.
        outage_patience: How long waiting for an API that is down, or that limits the rate, may
            take besides the deadline. Attempts during it do not count against `max_attempts`, but
            those that may have been charged.
        first_patience: How long to wait for an API that is down and has not yet sent this client
            a response; then a run ends. None: as long as for any other.
    """

    max_attempts: int = 6
    deadline: float = 120.0
    base: float = 0.5
    cap: float = 20.0
    retry_after_cap: float = 120.0
    wait_in_outage: bool = True
    outage_patience: float = 0.0
    first_patience: float | None = None

    def __post_init__(self) -> None:
        arguments.required("max_attempts", self.max_attempts)
        arguments.seconds("deadline", self.deadline)
        for name in ("base", "cap", "retry_after_cap", "outage_patience"):
            arguments.seconds(name, getattr(self, name), zero=True)
        if self.first_patience is not None:
            arguments.seconds("first_patience", self.first_patience, zero=True)
        arguments.flag("wait_in_outage", self.wait_in_outage)

    @classmethod
    def interactive(cls) -> Self:
        """Return the policy for a web request: 2 attempts, 10 s, no waiting in an outage."""
        return cls(max_attempts=2, deadline=10.0, wait_in_outage=False)

    @classmethod
    def batch(cls) -> Self:
        """Return the policy for a long job: an outage or a Retry-After of an hour is waited out."""
        return cls(outage_patience=3600.0, retry_after_cap=3600.0)

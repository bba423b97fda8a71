"""Timeouts of many attempts with one timer.

`asyncio.timeout()` for each attempt costs an eighth of a page: its timer is cancelled almost
always, and a cancelled timer stays in the event loop's heap until its time has come.
"""

import asyncio
from types import TracebackType


class AttemptTimeouts:
    """Ends each attempt at its own time, as `asyncio.timeout()` would."""

    __slots__ = ("_running", "_timer")

    def __init__(self) -> None:
        self._running: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, seconds: float) -> "Limit":
        """Return what encloses an attempt, with `with`, and raises TimeoutError at its time."""
        loop = asyncio.get_running_loop()
        limit = Limit(self._running, loop.time() + seconds)
        timer = self._timer
        if timer is None or limit.due < timer.when():
            if timer is not None:
                timer.cancel()
            self._timer = loop.call_at(limit.due, self._fire, loop)
        return limit

    def close(self) -> None:
        """Cancel the timer, which else stays for the attempts that follow."""
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for limit in [limit for limit in self._running if limit.due <= now]:
            limit.expire()
        if self._running:
            due = min(limit.due for limit in self._running)
            self._timer = loop.call_at(due, self._fire, loop)


class Limit:
    """The time of one attempt, in the task that makes it."""

    __slots__ = ("_cancelling", "_expired", "_running", "_task", "due")

    def __init__(self, running: "set[Limit]", due: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._running = running
        self.due = due

    def __enter__(self) -> None:
        self._running.add(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.discard(self)
        if not self._expired:
            return
        alone = self._task.uncancel() <= self._cancelling
        if alone and kind is asyncio.CancelledError:  # else also cancelled from outside: stays so
            raise TimeoutError

    def expire(self) -> None:
        """End the attempt. Once, however long it takes to unwind."""
        self._running.discard(self)
        self._expired = True
        self._task.cancel()

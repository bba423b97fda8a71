"""A Dask cluster as an export needs it: its workers, tasks pinned to them, and a stop for all."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from socialfetch_async import _arguments as arguments
from socialfetch_async._text import install
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.cluster.attempt import ShardResult, Stop, Task, fetch
from socialfetch_async.cluster.places import lock_path
from socialfetch_async.errors import ClusterError, ShardTakenError

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT: Final = 10.0  # seconds
_GOODBYE: Final = 1.0  # seconds
_BALANCE: Final = 5.0  # seconds that asking for the balance may take
_ASKED: Final = 5  # workers, of which the first that gets an answer is enough
_FETCH: Final = 5.0  # seconds for a result, which is some counters
_LOOK: Final = 0.5  # seconds between two looks at the list of workers
_ASK: Final = 0.1  # seconds between two questions of a worker whether to stop


class Cluster:
    """The workers behind a scheduler.

    Attributes:
        ended: Set when a task has ended, and cleared by who looks.
    """

    def __init__(self, client: "Client") -> None:
        from distributed import Event  # noqa: PLC0415 - heavy

        self._client = client
        self._stop: Event = Event(f"socialfetch-stop-{uuid4().hex}", client=client)
        self._workers: frozenset[str] = frozenset()
        self._looked = float("-inf")
        self.ended = threading.Event()

    def workers(self) -> frozenset[str]:
        """Return the addresses of the workers.

        Raises:
            ClusterError: The scheduler was lost.
        """
        if time.monotonic() - self._looked > _LOOK:
            self.check()
            try:
                threads: Any = self._client.nthreads()
            except Exception as error:  # a broken line has many kinds
                raise self._lost() from error
            self._workers, self._looked = frozenset(threads), time.monotonic()
        return self._workers

    def check(self) -> None:
        """See whether the scheduler is there.

        Raises:
            ClusterError: It was lost, and with it every task: they end by themselves.
        """
        if self._client.status != "running":
            raise self._lost()

    def _lost(self) -> ClusterError:
        return ClusterError(
            "the scheduler was lost. The workers stop by themselves, and what arrived is in the "
            "journals: the same call goes on from there."
        )

    def outcome(
        self, future: "Future[ShardResult]", timeout: float = _FETCH
    ) -> ShardResult | Exception | None:
        """Return the result or the error of a task that has ended; None when it was lost.

        It was lost when its worker was, also after its end: a result stays there until it is
        asked for. And when Dask ran it once more, which `run_shard` refuses. To take one for lost
        that was not does no harm: its journal says what it did.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - heavy

        with suppress(Exception):  # a broken line has many kinds
            if future.status == "finished":
                result: ShardResult = future.result(timeout=timeout)
                return result
            if future.status == "error":
                error: Any = future.exception(timeout=timeout)
                return None if isinstance(error, KilledWorker | ShardTakenError) else error
        return None

    def balances(self) -> Iterator[tuple[str, int]]:
        """Yield APIs that workers buy from, with the account's balance, as some say it.

        That is free. What is wrong with a worker, its first shard will say.
        """
        from distributed import as_completed  # noqa: PLC0415 - heavy

        asked: list[Future[tuple[str, int]]] = [
            self._client.submit(ask_balance, workers=[worker], pure=False, retries=0)
            for worker in sorted(self.workers())[:_ASKED]
        ]
        try:
            with suppress(Exception):  # a broken line has many kinds, and so has a late answer
                for future in as_completed(asked, loop=self._client.loop, timeout=2 * _BALANCE):
                    if future.status == "finished":
                        yield future.result(timeout=_FETCH)
        finally:
            with suppress(Exception):
                self._client.cancel(asked)

    def submit(self, worker: str, task: Task) -> "Future[ShardResult]":
        """Start an attempt at a shard on a worker, once.

        Raises:
            ClusterError: The scheduler was lost.
        """
        self.check()
        future = self._client.submit(
            attempt,
            task,
            self._stop.name,
            key=f"socialfetch-{task.shard}-{uuid4().hex}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        future.add_done_callback(lambda _: self.ended.set())
        return future

    def stop(self) -> None:
        """Have all attempts stop. `future.cancel()` would not: it forgets them."""
        self._tell(self._stop.set)

    def forget(self) -> None:
        """Remove the stop from the scheduler, when nobody asks for it any more."""
        self._tell(self._stop.clear)

    def _tell(self, what: Callable[[], object]) -> None:
        # Who cannot ask the scheduler stops, too; and to tell one that is gone takes long.
        if self._client.status == "running":
            with suppress(Exception):
                what()


@contextmanager
def connected(scheduler: "str | Client", timeout: float = _CONNECT) -> Iterator[Cluster]:
    """Enclose the use of a cluster; a client of the caller's stays open.

    Args:
        scheduler: The scheduler's address, or a synchronous client.
        timeout: Seconds to wait for an answer at an address.

    Raises:
        ClusterError: Dask is not installed, or no scheduler answers.
        TypeError: An asynchronous client.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - heavy
    except ImportError:
        raise ClusterError(
            f"a cluster needs Dask: {install('dask')}. No request was sent."
        ) from None
    if isinstance(scheduler, Client):
        if scheduler.asynchronous:
            raise TypeError("the Client is asynchronous: pass its scheduler's address instead")
        yield Cluster(scheduler)
        return
    if not isinstance(scheduler, str):
        raise TypeError(f"scheduler is an address or a Client, not {type(scheduler).__name__}")
    try:
        client = Client(scheduler, timeout=timeout, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler responds at {scheduler}: start one with `dask scheduler`, or "
            "correct the address. No request was sent."
        ) from error
    try:
        yield Cluster(client)
    finally:
        if client.status == "running":
            client.close()
        else:
            _give_up(client)


def _give_up(client: "Client") -> None:
    """Close a client that goes on looking for its scheduler, without the traceback it logs."""
    log = logging.getLogger("distributed.client")
    before, log.disabled = log.disabled, True
    try:
        with suppress(TimeoutError):
            client.close(timeout=_GOODBYE)
    finally:
        log.disabled = before


def ask_balance() -> tuple[str, int]:
    """Return the API that a worker buys from, and the balance of its account; it runs there."""

    async def ask() -> tuple[str, int]:
        async with SocialFetchClient() as client, asyncio.timeout(_BALANCE):
            return arguments.origin(client.base_url), (await client.get_balance()).balance

    return asyncio.run(ask())


def attempt(task: Task, stop: str) -> ShardResult:
    """Make one attempt at a shard; it runs in a thread of a worker.

    Raises:
        ClusterError: This worker sees another folder than who sent it here.
        Exception: As `fetch`.
    """
    folder = task.journal.parent
    if not lock_path(task.shard, folder).exists():
        raise ClusterError(
            f"a worker does not see the files in {folder}: the folder must be one that all "
            "machines share, under the same name. This worker sent no request."
        )
    with _told(stop) as stopped:
        return asyncio.run(fetch(task, Stop(stopped)))


@contextmanager
def _told(name: str) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether a stop was ordered.

    A thread asks the scheduler for it: that takes milliseconds, or minutes when it is gone, in
    which no page could be received.
    """
    from distributed import Event, get_client  # noqa: PLC0415 - heavy

    order = Event(name, client=get_client())
    stopped, over = threading.Event(), threading.Event()

    def ask() -> None:
        with suppress(Exception):  # who cannot ask must not go on buying
            while not over.wait(_ASK):
                if order.is_set():
                    break
        stopped.set()

    asking = threading.Thread(target=ask, name="socialfetch-stop", daemon=True)
    asking.start()
    try:
        yield stopped.is_set
    finally:
        over.set()
        asking.join(_ASK)

"""The fault server as the tests see it: a child process, its orders and its counters."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parents[2]


class Counters(NamedTuple):
    """What the server counted since its last reset.

    Attributes:
        requests: Heads that came, and connections that were reset before one was read.
        with_key: Requests with an x-api-key.
        charged: Credits. `delivered`: whole answers with rows that were written.
        faults_after: Faults that cost a page which never arrived. `faults_before`: cost nothing.
        passed: Ordered faults that the rows arrived in spite of.
        after_402: Requests that came after a 402 was sent.
        limited: Requests that were too many for the rate limit.
        strays: Answers that were written for nobody, on an idle connection, after a pause.
        connects: Requests to a proxy for a tunnel, all of which are refused.
        handshakes_refused: TLS greetings that were answered with an alert.
        open: Connections that are open now.
    """

    requests: int = 0
    with_key: int = 0
    charged: int = 0
    delivered: int = 0
    delivered_twice: int = 0
    bought_twice: int = 0
    faults_before: int = 0
    faults_after: int = 0
    passed: int = 0
    no_credits: int = 0
    after_402: int = 0
    other_routes: int = 0
    unknown_cursors: int = 0
    other_host: int = 0
    other_host_keys: int = 0
    connections: int = 0
    open: int = 0
    outage_requests: int = 0
    limited: int = 0
    strays: int = 0
    connects: int = 0
    handshakes_refused: int = 0


class Entry(NamedTuple):
    """What happened to one page: a row of the ledger."""

    handle: str
    cursor: str | None
    requests: int
    charged: int
    delivered: int


class FaultServer:
    """A running fault server. `with FaultServer() as server:`; it ends with the block."""

    def __init__(self, *arguments: str, scheme: str = "http") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._orders = 0
        ports = self._read()
        self.port: int = ports["port"]
        self.base_url = f"{scheme}://127.0.0.1:{self.port}"
        self.elsewhere = f"http://localhost:{ports['other_port']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, which its stdin's end does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fault server has ended"
        return json.loads(line)

    def call(self, op: str, **parameters: Any) -> Any:
        """Give an order and return the answer. It blocks, for a fraction of a millisecond."""
        assert self._process.stdin is not None
        self._orders += 1
        order = {"number": self._orders, "op": op, **parameters}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        while (said := self._read())["number"] != self._orders:
            pass  # the answer that a test which was stopped did not wait for
        assert "error" not in said, said
        return said["answer"]

    def reset(self, **settings: Any) -> Self:
        """Begin anew; the settings are those of `tests.faults.book.Book`."""
        self.call("reset", **settings)
        return self

    def order(self, handle: str, page: int, *faults: str) -> None:
        """Let the next requests for a page (0 is the first) meet these faults, one each."""
        self.call("order", handle=handle, page=page, faults=faults)

    def always(self, handle: str, fault: str) -> None:
        """Let all requests for a handle, or `*` for all, meet a fault; "" ends that."""
        self.call("always", handle=handle, fault=fault)

    @property
    def count(self) -> Counters:
        """What was counted since the reset."""
        return Counters(**self.call("counters"))

    def ledger(self) -> list[Entry]:
        """Return what happened to each page that was asked for."""
        return [Entry(*row) for row in self.call("ledger")]

"""What a follower costs a web backend: CPU of the server's process, for each example application.

`python -m benchmarks.web` prints a table; it needs the dependency group `web`, Linux, and a minute.

Each application runs as it stands, with its real server, on one core. The API (`benchmarks.server`,
no latency) and the reader are on the other. The first row has no web server: it is what the client
and the encoding take of the rest.
"""

import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks import measure, server
from socialfetch_async import SocialFetchClient
from socialfetch_async.web import ndjson, server_sent_events

EXAMPLES = Path(__file__).parent.parent / "examples" / "web"
APPS = {
    "fastapi": ("fastapi", "uvicorn"),
    "litestar": ("litestar", "uvicorn"),
    "quart": ("quart", "hypercorn"),
    "aiohttp": ("aiohttp",),
}
FORMS = {"stream": ndjson, "events": server_sent_events}
SIZES = {20: 400, 200: 100}  # followers a page: pages a request
KEY = "sfk_benchmark"
ALONE = "client and encoding alone"
ROUNDS = 7
LISTS = 2  # in a row: the system counts CPU time in hundredths of a second


class App(NamedTuple):
    """A running example."""

    pid: int
    address: tuple[str, int]

    def cpu(self) -> float:
        """Return the CPU seconds that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def read(self, route: str, handle: str) -> int:
        """Read a whole list; return its bytes."""
        count, tail = 0, b""
        with socket.create_connection(self.address) as reader:
            reader.sendall(
                f"GET /{route}/{handle}?max_credits=500 HTTP/1.1\r\n"
                "Host: benchmark\r\nConnection: close\r\n\r\n".encode()
            )
            while part := reader.recv(1 << 20):
                count += len(part)
                tail = (tail + part)[-200:]
        if b'"done":true' not in tail:
            raise RuntimeError(f"{handle} ended early: {tail!r}")
        return count


def stay_on(core: int | None, pid: int = 0) -> None:
    """Keep a process, this one unless told otherwise, on one core."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


@contextlib.contextmanager
def running(name: str, base_url: str, core: int | None) -> Iterator[App]:
    """Start an example on a core; it ends with the block."""
    environment = {
        "SOCIALFETCH_API_KEY": KEY,
        "SOCIALFETCH_BASE_URL": base_url,
        "MAX_CREDITS": "1000000",
        "PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / f"{name}_app.py"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        host, port = process.stdout.readline().strip().removeprefix("http://").split(":")
        stay_on(core, process.pid)
        yield App(process.pid, (host, int(port)))
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


class Sent(NamedTuple):
    """What is measured: a list in one form, with so many followers on a page."""

    route: str
    size: int

    @property
    def handle(self) -> str:
        """The list, as `benchmarks.server` names it."""
        return f"{self.size}.plain.{SIZES[self.size]}.0.0"

    @property
    def followers(self) -> int:
        """How many are on it."""
        return self.size * SIZES[self.size]


def by_app(app: App, sent: Sent) -> float:
    """Return the CPU seconds of the server for one list."""
    began = app.cpu()
    for _ in range(LISTS):
        app.read(sent.route, sent.handle)
    return (app.cpu() - began) / LISTS


async def alone(base_url: str, sent: Sent) -> float:
    """Return the CPU seconds of the same body in this process, sent to nobody."""
    async with SocialFetchClient(KEY, base_url=base_url) as client:
        began = time.process_time()
        async for _ in FORMS[sent.route](client.iter_followers(sent.handle)):
            pass
        return time.process_time() - began


def main() -> None:
    """Print the table."""
    measure.calm_the_allocator()
    own, other = measure.cores()
    columns = [Sent(route, size) for route in FORMS for size in SIZES]
    took: dict[tuple[str, Sent], list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        base_url = stack.enter_context(server.running(other))
        apps = {
            ", ".join(f"{package} {version(package)}" for package in packages):
                stack.enter_context(running(name, base_url, own))
            for name, packages in APPS.items()
        }  # fmt: skip
        for _ in range(ROUNDS):  # in turn, so that a slower minute of the machine is everybody's
            for sent in columns:
                stay_on(own)
                took[ALONE, sent].append(asyncio.run(alone(base_url, sent)))
                stay_on(other)
                for label, app in apps.items():
                    took[label, sent].append(by_app(app, sent))
    print("| us CPU a follower | NDJSON, 20 a page | 200 | events, 20 a page | 200 |")
    print("| --- | --- | --- | --- | --- |")
    for label in (ALONE, *apps):
        figures = [statistics.median(took[label, sent]) / sent.followers for sent in columns]
        print(f"| {label} | " + " | ".join(f"{1e6 * figure:.1f}" for figure in figures) + " |")


if __name__ == "__main__":
    main()

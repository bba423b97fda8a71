"""What the tests share."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from socialfetch_async import RetryPolicy, SocialFetchClient
from tests import travel

KEY = "sfk_test_0123456789"
FAST = RetryPolicy(base=0.001, cap=0.002)

# A shell that starts a job in the background has it ignore Ctrl-C, and nohup SIGHUP: every command
# that a test starts would inherit that, and keep to it.
for name in ("SIGINT", "SIGHUP"):
    number = getattr(signal, name, None)  # Windows has no SIGHUP
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)

collect_ignore = ["plugin_project"]  # test_pytest_plugin.py runs it, in a place of its own

# What `make check` leaves out, by what its name begins with, and why: most take over a second.
SLOW = {
    "tests/batch/test_batch.py::test_the_main_job": "a whole batch, in every format",
    "tests/cli/": "each command is a process of its own, and some wait for signals",
    "tests/cluster/test_call.py": "the workers of a Dask cluster are killed",
    "tests/cluster/test_jobs.py": "as above, on the same cluster",
    "tests/docs/test_docs.py": "each program of the docs is a process of its own",
    "tests/emulator/test_command.py": "each command is a process of its own",
    "tests/export/test_files.py::test_memory": "enough rows to see memory grow",
    "tests/faults/test_jobs.py": "random commands, each with an oracle's look at all files",
    "tests/faults/test_key.py": "the key is looked for in every text of every fault",
    "tests/faults/test_kills.py": "processes are killed at many moments",
    "tests/faults/test_machines.py": "hundreds of generated programs against the fault server",
    "tests/faults/test_schedules.py": "hundreds of generated schedules of faults",
    "tests/faults/test_soak.py": "the figures of docs/promises.md, in short",
    "tests/journal/test_damage.py": "a journal damaged at each of its lines, and each of its bits",
    "tests/journal/test_journal.py::test_a_journal_cut": "a journal cut at each of its bytes",
    "tests/protocol/test_walk.py::test_the_memory": "a list of 235,000 pages",
    "tests/report/test_report.py::test_ten_thousand": "a report of ten thousand handles",
    "tests/test_pytest_plugin.py": "the package is installed, and used by other pytests",
    "tests/test_stream.py::test_any_split": "hundreds of generated interruptions",
    "tests/web/test_apps.py": "each server is a process of its own",
}

MakeClient = Callable[..., SocialFetchClient]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so; asking again and again, it lets no clock jump."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow."""
    for item in items:
        if item.nodeid.startswith(tuple(SLOW)):
            item.add_marker("slow")


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let the clock jump in a test that is marked so."""
    if item.get_closest_marker("jumping"):
        return {"jumping": travel.Loop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture
async def client_of() -> AsyncIterator[MakeClient]:
    """Return a function that makes a client of a server with `base_url`; closed at the end."""
    async with AsyncExitStack() as stack:

        def make(server: Any, **options: Any) -> SocialFetchClient:
            client = SocialFetchClient(
                getattr(server, "api_key", KEY),
                base_url=server.base_url,
                **{"retry": FAST, **options},
            )
            stack.push_async_exit(client)
            return client

        yield make

"""A batch on a cluster of several hosts, whose links are cut and whose workers fail.

    python -m tests.faults.hosts [--write docs/cluster.md]

The scheduler, two workers and the API, which is behind TLS, have a network namespace each, and
so addresses of their own; the folder of the batch is a disk that all of them have. Exit code 1
if a goal is missed, 77 where namespaces are not to be had.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import IO, Any, Final, NamedTuple

import trustme

from socialfetch_async import read_journal
from tests.faults.child import ROOT
from tests.faults.kills import profiles_of, rows_of, undisturbed
from tests.faults.network import Network, NoNamespacesError
from tests.faults.pages import write_into

NOT_TO_BE_HAD: Final = 77
_KEY: Final = "sfk_hosts_0123456789"
_CONCURRENCY: Final = 5
_PORT, _SCHEDULER_PORT = 8443, 8786
_PATIENCE: Final = 240.0  # seconds that a case may take


class Case(NamedTuple):
    """What is done to one of two workers while the other one is well.

    Attributes:
        pages: Of the batch.
        budget: The most credits; None is enough for a page that is bought twice.
        environment: Of the worker, beside that of the other one; None is a variable less.
        does: What happens in the middle, to the cluster and the worker's process.
    """

    name: str
    pages: int = 400
    budget: int | None = None
    environment: Mapping[str, str | None] = MappingProxyType({})
    does: "Callable[[Hosts, subprocess.Popen[bytes]], None]" = lambda _, __: None


def _cut_for_a_while(hosts: "Hosts", _: "subprocess.Popen[bytes]") -> None:
    hosts.network.cut("frail")
    time.sleep(20)
    hosts.network.mend("frail")


CASES: Final = (
    Case("undisturbed"),
    Case("link cut for 20 seconds", pages=3_000, does=_cut_for_a_while),
    Case("link cut for good", does=lambda hosts, _: hosts.network.cut("frail")),
    Case("worker killed", does=lambda _, worker: worker.kill()),
    Case("worker killed, half the credits", budget=200, does=lambda _, worker: worker.kill()),
    Case("worker without the certificate authority", environment={"SSL_CERT_FILE": None}),
    Case("worker with a wrong address", environment={"SOCIALFETCH_BASE_URL": "https://{api}:9"}),
)


class Seen(NamedTuple):
    """What came of a case.

    Attributes:
        twice: Pages that were bought twice. `lost`: attempts that ended with their worker.
        missed: The goals that were missed.
    """

    case: Case
    rows: int
    budget: int
    charged: int
    twice: int
    lost: int
    seconds: float
    trouble: str | None
    missed: list[str]


class Hosts:
    """The hosts, and what runs on them for all cases."""

    def __init__(self, network: Network, folder: Path, stack: ExitStack) -> None:
        self.network: Network = network
        self.folder = folder
        self._stack = stack
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        certificate = authority.issue_cert(network.address("api"))
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "chain.pem"))
        self._environment = os.environ | {
            "SOCIALFETCH_API_KEY": _KEY,
            "SOCIALFETCH_BASE_URL": f"https://{network.address('api')}:{_PORT}",
            "SSL_CERT_FILE": str(folder / "authority.pem"),
        }
        self.scheduler = f"tcp://{network.address('hub')}:{_SCHEDULER_PORT}"
        where = (network.address("api"), str(_PORT), str(folder / "chain.pem"), _KEY)
        self._api = self.start("api", "tests.faults.hosts_api", *where, pipe=True)
        assert self._lines().readline() == b"ready\n"
        hub = ("--host", network.address("hub"), "--port", str(_SCHEDULER_PORT), "--no-dashboard")
        self.start("hub", "distributed.cli.dask_scheduler", *hub)
        self.worker("well")

    def _lines(self) -> IO[bytes]:
        assert self._api.stdout is not None
        return self._api.stdout

    def charged(self, profiles: dict[str, int | str]) -> tuple[int, int]:
        """Return what some profiles have cost, and how many different pages that were."""
        assert self._api.stdin is not None
        self._api.stdin.write(json.dumps(profiles).encode() + b"\n")
        self._api.stdin.flush()
        said = json.loads(self._lines().readline())
        return said["charged"], said["pages"]

    def start(
        self,
        host: str,
        module: str,
        *arguments: str,
        pipe: bool = False,
        environment: Mapping[str, str | None] = MappingProxyType({}),
    ) -> "subprocess.Popen[bytes]":
        """Start a program on a host; it does not outlive the hosts."""
        given = {**self._environment, **environment}
        log = self._stack.enter_context((self.folder / f"{host}.log").open("ab"))
        process = subprocess.Popen(
            self.network.on(host, sys.executable, "-m", module, *arguments),
            env={name: value for name, value in given.items() if value is not None},
            cwd=ROOT,
            stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe else log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this one, which ends them
        )
        self._stack.callback(_end, process)
        return process

    def worker(
        self, host: str, environment: Mapping[str, str | None] = MappingProxyType({})
    ) -> "subprocess.Popen[bytes]":
        """Start a worker; it has registered when this returns."""
        log = self.folder / f"{host}.log"
        before = log.stat().st_size if log.exists() else 0
        options = ("--host", self.network.address(host), "--nthreads", "1")
        process = self.start(
            host, "distributed.cli.dask_worker", self.scheduler, *options,
            *("--no-nanny", "--no-dashboard"), environment=environment,
        )  # fmt: skip
        until = time.monotonic() + 60
        while b"Registered to" not in log.read_bytes()[before:]:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no worker on {host}:\n{log.read_text()}")
            time.sleep(0.1)
        return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


@contextmanager
def hosts() -> Iterator[Hosts]:
    """Enclose the hosts.

    Raises:
        NoNamespacesError: They are not to be had here.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="socialfetch-hosts-")))
        network = stack.enter_context(Network(["hub", "well", "frail", "api"]))
        yield Hosts(network, folder, stack)


def seen(number: int, case: Case, on: Hosts) -> Seen:
    """Run a case, and see what came of it."""
    profiles = {f"{h}.{number}": s for h, s in profiles_of(case.pages, Random(number)).items()}
    budget = case.budget or case.pages + 2 * _CONCURRENCY
    folder = on.folder / f"case{number}"
    folder.mkdir()
    (folder / "handles.txt").write_text("\n".join(profiles))
    on.charged(profiles)
    api = on.network.address("api")
    changed = {k: v and v.format(api=api) for k, v in case.environment.items()}
    frail = on.worker("frail", changed)
    began = time.monotonic()
    driver = on.start(
        "hub", "socialfetch_async", "--json",
        "export", str(folder / "handles.txt"), "-o", str(folder / "out.jsonl"),
        f"--max-credits={budget}", f"--concurrency={_CONCURRENCY}", f"--scheduler={on.scheduler}",
        pipe=True,
    )  # fmt: skip
    while driver.poll() is None and on.charged(profiles)[0] < case.pages // 10:
        time.sleep(0.02)
    case.does(on, frail)
    out, _ = driver.communicate(timeout=_PATIENCE)
    took = time.monotonic() - began
    on.network.mend("frail")
    _end(frail)
    charged, pages = on.charged(profiles)
    saved = read_journal(folder / "out.journal")
    expected = asyncio.run(undisturbed(profiles, folder / "one.journal"))
    result: dict[str, Any] = json.loads(out) if out else {}
    most = saved.credits_charged + saved.maybe_charged
    found = rows_of(saved)
    whole = case.budget is None
    goals = {
        "rows of one process": not whole or found == expected,
        "exit code": driver.returncode == (0 if whole else 5),
        "no more than allowed": charged <= budget,
        "99% of the budget used": whole or most >= budget * 99 // 100,
        "a loss costs `concurrency`": charged - pages <= result.get("lost", 0) * _CONCURRENCY,
        "the ledger brackets the truth": saved.credits_charged <= charged <= most,
        "the worker is named": not case.environment or "got no more" in str(result.get("trouble")),
    }
    missed = [goal for goal, reached in goals.items() if not reached]
    return Seen(
        case=case,
        rows=sum(one.followers for one in saved.handles.values()),
        budget=budget,
        charged=charged,
        twice=charged - pages,
        lost=result.get("lost", 0),
        seconds=took,
        trouble=result.get("trouble"),
        missed=missed,
    )


def _table(found: list[Seen]) -> Iterator[str]:
    yield (
        f"{'one of two workers':<42}{'pages':>6}{'charged':>8}{'at most':>8}{'twice':>6}"
        f"{'at most':>8}{'lost':>5}{'seconds':>8}  goals"
    )
    for one in found:
        yield (
            f"{one.case.name:<42}{one.case.pages:>6,}{one.charged:>8,}{one.budget:>8,}"
            f"{one.twice:>6}{one.lost * _CONCURRENCY:>8}{one.lost:>5}{one.seconds:>8.0f}  "
            + (f"MISSED: {', '.join(one.missed)}" if one.missed else "reached")
        )


def main() -> int:
    """Run every case, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    parser.add_argument("--only", default="", help="part of the names of the cases to run")
    arguments = parser.parse_args()
    found: list[Seen] = []
    try:
        with hosts() as on:
            for number, case in enumerate(CASES):
                if arguments.only in case.name:
                    found.append(seen(number, case, on))
                    sys.stderr.write(f"{list(_table(found))[-1]}\n")
                    if found[-1].missed:
                        _keep_logs(on.folder)
    except NoNamespacesError as error:
        sys.stderr.write(f"network namespaces are not to be had here, so nothing ran: {error}\n")
        return NOT_TO_BE_HAD
    printed = "\n".join(_table(found))
    sys.stdout.write(f"{printed}\n")
    if arguments.write is not None:
        write_into(arguments.write, "hosts", "make hosts", printed)
    return any(one.missed for one in found)


def _keep_logs(folder: Path) -> None:
    kept = Path(tempfile.mkdtemp(prefix="socialfetch-hosts-logs-"))
    for log in folder.glob("*.log"):
        shutil.copy(log, kept)
    sys.stderr.write(f"logs: {kept}\n")


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda given, _: sys.exit(128 + given))  # the hosts end first
    sys.exit(main())

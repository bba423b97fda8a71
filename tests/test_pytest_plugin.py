"""The pytest plugin: in this suite, and in one of somebody else with the library installed."""

import asyncio
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from socialfetch_async import (
    FollowersPage,
    InsufficientCreditsError,
    RetryPolicy,
    SocialFetchClient,
)
from socialfetch_async.emulator import Emulator

ROOT = Path(__file__).parent.parent
PROJECT = Path(__file__).parent / "plugin_project"
Run = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.xdist_group("plugin")  # `project` is made once


# -- in this suite ------------------------------------------------------------------------------


async def followers_of(handle: str) -> list[str]:
    """Read a list the way a program does, with the environment's key and address."""
    async with SocialFetchClient(retry=RetryPolicy(base=0.001)) as client:
        return [follower.handle async for follower in client.iter_followers(handle)]


def test_without_a_loop(socialfetch_emulator: Emulator) -> None:
    """A plain test has the emulator, and each loop that it makes reaches it."""
    socialfetch_emulator.profile("ada", 45)
    expected = [row["handle"] for row in socialfetch_emulator.followers("ada")]
    for _ in range(2):
        assert asyncio.run(followers_of("ada")) == expected
    assert [charge.handle for charge in socialfetch_emulator.charges] == ["ada"] * 6


async def test_within_a_loop(socialfetch_emulator: Emulator) -> None:
    """The test's loop is not the emulator's: it answers while this one does nothing else."""
    socialfetch_emulator.profile("ada", 45)
    socialfetch_emulator.fault("503", 0.3)
    assert len(await followers_of("ada")) == 45
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_order_counts_for_the_very_next_request(socialfetch_emulator: Emulator) -> None:
    """It is given in one thread and carried out in another, and is never late."""
    async with SocialFetchClient(retry=RetryPolicy(max_attempts=1)) as client:
        for followers in range(1, 21):
            socialfetch_emulator.profile("ada", followers)
            socialfetch_emulator.credits = 2
            pages = [client.get_followers_page("ada") for _ in range(3)]
            answers = await asyncio.gather(*pages, return_exceptions=True)
            totals = [a.total_followers for a in answers if isinstance(a, FollowersPage)]
            assert totals == [followers] * 2
            assert isinstance(
                next(a for a in answers if not isinstance(a, FollowersPage)),
                InsufficientCreditsError,
            )
    assert len(socialfetch_emulator.charges) == 40


def test_each_test_has_its_own(own_pytest: Run) -> None:
    """Afterwards neither the address, nor a thread, nor the port is there; nothing is charged."""
    done = own_pytest(
        """
import asyncio, os, socket, threading
import pytest
from socialfetch_async import SocialFetchClient

before = {}

async def leave_early():
    async with SocialFetchClient() as client:
        task = asyncio.ensure_future(client.get_followers_page("ada"))
        while not before["emulator"].charges:
            await asyncio.sleep(0.001)
        task.cancel()

def test_one(socialfetch_emulator):
    before["emulator"] = socialfetch_emulator
    socialfetch_emulator.profile("ada", 45)
    socialfetch_emulator.latency = 30
    asyncio.run(leave_early())

def test_two():
    assert "SOCIALFETCH_BASE_URL" not in os.environ
    assert os.environ["SOCIALFETCH_API_KEY"] == "sfk_of_the_developer"
    assert threading.enumerate() == [threading.main_thread()]
    host, port = before["emulator"].base_url.removeprefix("http://").split(":")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), 1)
    assert len(before["emulator"].charges) == 1

def test_three(socialfetch_emulator):
    assert socialfetch_emulator.charges == socialfetch_emulator.requests == []
    assert socialfetch_emulator.followers("ada") == []
"""
    )
    assert (done.returncode, "3 passed" in done.stdout) == (0, True), done.stdout


def test_a_suite_that_does_not_use_it_pays_nothing(own_pytest: Run) -> None:
    """Not even asyncio is loaded for it, but where the debugger has loaded that: from 3.14 on."""
    done = own_pytest(
        """
import sys

def test_it():
    assert "socialfetch_async.pytest_plugin" in sys.modules
    heavy = {"aiohttp", "msgspec", "backoff", "socialfetch_async.emulator"}
    if sys.version_info < (3, 14):
        heavy.add("asyncio")
    assert heavy & set(sys.modules) == set()
"""
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


@pytest.fixture
def own_pytest(tmp_path: Path) -> Run:
    """Return a function that runs tests in a pytest of their own, with no plugin but ours."""

    def run(tests: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(tests)
        command = [sys.executable, "-W", "error", "-m", "pytest", "-W", "error"]
        options = ["-p", "socialfetch_async.pytest_plugin", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, *options, "-c", os.devnull, "--rootdir", tmp_path, tmp_path],
            env=os.environ
            | {
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "SOCIALFETCH_API_KEY": "sfk_of_the_developer",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


# -- in the suite of somebody else --------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Install the package with its extra and the project's runners; return its Python."""
    folder = tmp_path_factory.mktemp("plugin_project")
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE", "COV_", "PYTEST", "PYTHON", "SOCIALFETCH"))
    }

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(map(str, command)), cwd=work, env=own, capture_output=True, text=True, check=False
        )

    work = shutil.copytree(
        PROJECT, folder / "work", ignore=shutil.ignore_patterns("__pycache__", ".*_cache")
    )
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    runners = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]["test"]
    set_up = (sys.executable, ROOT / "tools" / "environment.py", folder / "venv")
    done = run(*set_up, f"{ROOT}[pytest]", *runners)
    assert done.returncode == 0, done.stdout + done.stderr
    return lambda *arguments: run(python, "-W", "error", *arguments)


PYTEST = ("-m", "pytest", "-W", "error")
STRICT = ("tests/test_sync.py", "tests/test_strict.py", "tests/test_anyio.py")


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        (STRICT, 14),
        (("-n", "2", *STRICT), 14),
        (("--cov=audience", "--cov-branch", *STRICT), 14),
        (("-o", "asyncio_mode=auto", "tests/test_sync.py", "tests/test_auto.py"), 13),
        (("tests/unused.py",), 1),
    ],
    ids=["strict", "xdist", "coverage", "auto", "unused"],
)
def test_the_tests_of_a_project_pass(project: Run, options: tuple[str, ...], passed: int) -> None:
    """With every runner, and with every warning an error."""
    done = project(*PYTEST, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" {passed} passed in " in done.stdout
    assert "warning" not in done.stdout.lower()


def test_the_tests_of_a_project_can_fail(project: Run) -> None:
    """A wrong ledger, an error of the API and a wrong order each fail with their own words."""
    done = project(*PYTEST, "tests/failing.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert " 3 failed in " in done.stdout
    for words in ("assert 3 == 2", "InsufficientCreditsError", "no such fault: '418'"):
        assert words in done.stdout


def test_a_program_may_import_the_library_before_it_starts_pytest(project: Run) -> None:
    """pytest wants to rewrite the asserts of a package with a plugin, and warns if it cannot."""
    start = "import sys, pytest, audience; sys.exit(pytest.main(['-W', 'error', *sys.argv[1:]]))"
    done = project("-c", f"import sys; sys.path.insert(0, 'src'); {start}", *STRICT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 14 passed in " in done.stdout

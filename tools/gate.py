"""The gate: everything that must hold, on every supported Python that is installed.

`gate.py` does all of it, `gate.py check` what takes less than two minutes, `gate.py suite PATH...`
the library's own tests on the Python that runs it, `gate.py newest` all tests with the newest
releases of everything. Two steps run at a time, and each prints what it said when it is done. All
of them run; a table at the end has their seconds.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import environment

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".gate"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHON = "Programming Language :: Python :: "
VERSIONS = tuple(
    name.removeprefix(PYTHON)
    for name in PROJECT["project"]["classifiers"]
    if name.startswith(f"{PYTHON}3.")
)
EXTRAS = ".[cli,dask,parquet,pytest]"
GROUPS = ("test", "consumers", "observability", "web")
# What runs on the first Python only: what needs the packages of other people and is about them, and
# what looks at texts or at large numbers of cases, which no Python has of its own.
ONCE = [
  "tests/web", "tests/faults/test_soak.py", "tests/batch/test_batch.py",
  "tests/batch/test_files.py", "tests/cli/test_export.py", "tests/cli/test_windows.py",
  "tests/cluster/test_call.py", "tests/cluster/test_jobs.py",
  "tests/docs", "tests/export/test_export.py", "tests/export/test_diff.py",
  "tests/export/test_files.py", "tests/export/test_formats.py", "tests/export/test_rows.py",
  "tests/exchange/test_limiter.py", "tests/test_observability.py", "tests/test_opentelemetry.py",
  "tests/test_pytest_plugin.py", "tests/cluster/test_shards.py",
  "tests/faults/test_kills.py", "tests/faults/test_machines.py", "tests/faults/test_schedules.py",
  "tests/batch/test_handles_file.py::test_a_list_is_read",
  "tests/journal/test_journal.py::test_a_journal_cut",
  "tests/protocol/test_decode_bounds.py::test_a_hostile",
  "tests/protocol/test_decode_damage.py::test_any_structure",
  "tests/protocol/test_retry.py::test_any_header",
  "tests/protocol/test_walk.py::test_a_page_in_hand",
  "tests/protocol/test_walk.py::test_no_cursor",
  "tests/protocol/test_walk.py::test_the_memory",
  "tests/report/test_report.py::test_ten_thousand",
]  # fmt: skip
PURE = "socialfetch_async/_protocol/*,socialfetch_async/models.py,socialfetch_async/errors.py"
CHECK = ("-m", "not slow and not browser")
# Tests wait for sockets and processes about half of their time. A group is what shares something
# that is dear to make.
PARALLEL = ("-n", "3", "--dist", "loadgroup")
PYTEST = ("-m", "pytest", "-q", "--durations=15", "--durations-min=1")
COUNTED = re.compile(r"^(?:(\d+) failed, )?(\d+) passed.* in [\d.]+s", re.MULTILINE)


@dataclass
class Gate:
    """The steps that ran: how long each took, what it counted, whether it held."""

    rows: list[tuple[str, float, bool]] = field(default_factory=list)
    passed: int = 0
    failed: int = 0
    began: float = field(default_factory=time.monotonic)
    _printing: Lock = field(default_factory=Lock)

    def step(self, name: str, *command: str | Path, **environ: str) -> bool:
        """Run a command and print what it said; return whether it held."""
        began = time.monotonic()
        done = subprocess.run(
            list(map(str, command)), cwd=ROOT, env=os.environ | environ, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )  # fmt: skip
        self.ended(name, began, done.stdout, held=done.returncode == 0)
        return done.returncode == 0

    def environment(self, version: str, *requirements: str, python: str) -> Path | None:
        """Return the interpreter of a new environment, or None, which is a step that failed."""
        began = time.monotonic()
        said, inside = "", None
        try:
            inside = environment.make(WORK / f"python{version}", *requirements, python=python)
        except subprocess.CalledProcessError as error:
            said = f"{error}\n"
        self.ended(f"environment, Python {version}", began, said, held=inside is not None)
        return inside

    def ended(self, name: str, began: float, said: str, *, held: bool) -> None:
        """Print a step that has ended, and keep its seconds."""
        seconds = time.monotonic() - began
        counts = COUNTED.findall(said)
        with self._printing:
            self.rows.append((name, seconds, held))
            self.failed += sum(int(failed or 0) for failed, _ in counts)
            self.passed += sum(int(passed) for _, passed in counts)
            print(f"\n=== {name}\n{said}--- {name}: {seconds:.0f} s", end="", flush=True)
            print("" if held else ", FAILED", flush=True)

    def together(self, *jobs: Callable[[], object]) -> None:
        """Run the jobs in their order, two at a time."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            for future in [pool.submit(job) for job in jobs]:
                future.result()

    def close(self, what: str) -> None:
        """Print the table; end with 1 if a step failed."""
        print(f"\n=== the slowest first, {time.monotonic() - self.began:.0f} s in all")
        for name, seconds, held in sorted(self.rows, key=lambda row: -row[1]):
            print(f"{seconds:7.1f} s  {name}{'' if held else '  FAILED'}")
        broken = [name for name, _, held in self.rows if not held]
        print(f"\n{self.passed} passed, {self.failed} failed\n")
        if broken:
            sys.exit(f"the gate is closed: {', '.join(broken)} failed")
        print(f"the gate is open: {what}")


def version_of(python: str) -> str | None:
    """Return `3.x` of an interpreter, or None when it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def interpreters() -> dict[str, str]:
    """Return the installed interpreters of the supported versions, the running one included."""
    found = {version_of(sys.executable) or "": sys.executable}
    for version in VERSIONS:
        candidates = [f"python{version}"]
        if pyenv := shutil.which("pyenv"):
            # pyenv's command for a version that is not active is there and does not run.
            root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False)
            versions = Path(root.stdout.strip()) / "versions"
            candidates += [str(p) for p in sorted(versions.glob(f"{version}.*/bin/python"))]
        for candidate in candidates:
            if version_of(candidate) == version:
                found.setdefault(version, candidate)
    for version in VERSIONS:
        if version not in found:
            print(f"!!! Python {version} IS NOT INSTALLED HERE: nothing is tested on it")
    return dict(sorted(found.items(), key=lambda item: tuple(map(int, item[0].split(".")))))


def browser() -> list[str]:
    """Return what to give to pytest: nothing, or no browser tests where none can be had."""
    if shutil.which("chromium") is None and shutil.which("apt-get") and os.geteuid() == 0:
        print("\n=== a browser", flush=True)
        for command in (["update"], ["install", "-y", "chromium"]):
            subprocess.run(
                ["apt-get", "-qq", *command],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                stdout=subprocess.DEVNULL,
                check=False,
            )
    if shutil.which("chromium") is not None:
        return []
    print("!!! NO CHROMIUM IS INSTALLED HERE: no page is looked at in a browser")
    return ["-m", "not browser"]


def groups(*names: str) -> list[str]:
    """Return the arguments of pip for dependency groups."""
    return [part for name in names for part in ("--group", name)]


def text(gate: Gate, inside: Path) -> None:
    """Check format, style and import rules, which take seconds."""
    bin_ = inside.parent
    gate.step("format", bin_ / "ruff", "format", "--check", "--diff", ".")
    gate.step("lint", bin_ / "ruff", "check", ".")
    gate.step("import rules", bin_ / "lint-imports")


def types(gate: Gate, inside: Path) -> None:
    """Check the types, by both who do, also of the programs in the docs."""
    bin_, programs = inside.parent, WORK / "programs"
    gate.step("programs of the docs", inside, "-m", "tests.docs.programs", programs)
    mypy, pyright = PROJECT["tool"]["mypy"]["files"], PROJECT["tool"]["pyright"]["include"]
    checked = (bin_ / "mypy", "--python-executable", inside)
    gate.step("types (mypy)", *checked, *mypy, programs)
    windows = ("--platform", "win32", "--cache-dir", WORK / "mypy-windows")
    gate.step("types as on Windows, which lacks some", *checked, *windows, "socialfetch_async")
    gate.step("types (pyright)", bin_ / "pyright", "--pythonpath", inside, *pyright, programs)


def further(gate: Gate, version: str, python: str, only: list[str]) -> None:
    """Run the suite of the library on a further Python."""
    print(f"!!! Python {version}: without {', '.join(ONCE)}")
    inside = gate.environment(version, "-e", ".[cli]", *groups("test"), python=python)
    if inside is None:
        return
    # Development mode: asyncio's own checks, and every warning of the interpreter.
    left_out = [f"--{'deselect' if '::' in what else 'ignore'}={what}" for what in ONCE]
    gate.step(f"tests, Python {version}", inside, "-X", "dev", *PYTEST, *PARALLEL, *left_out, *only)


def measured(gate: Gate, version: str, inside: Path, only: list[str]) -> None:
    """Run the whole suite, with its coverage."""
    coverage = [str(inside), "-m", "coverage"]
    data = {"COVERAGE_FILE": str(WORK / "coverage")}
    for old in WORK.glob("coverage*"):
        old.unlink()
    held = gate.step(
        f"tests, Python {version}, with coverage",
        *coverage, "run", *PYTEST, *PARALLEL, *only, **data,
    )  # fmt: skip
    if not held:
        return
    gate.step("coverage: combine", *coverage, "combine", "--quiet", **data)
    gate.step("coverage: the whole", *coverage, "report", "--fail-under=95", **data)
    gate.step(
        "coverage: every branch of the pure part",
        *coverage, "report", f"--include={PURE}", "--fail-under=100", **data,
    )  # fmt: skip


def check() -> None:
    """Run what is quick, in an environment that is kept."""
    gate = Gate()
    try:
        inside = environment.kept(WORK / "check", "-e", EXTRAS, *groups("lint", "docs", *GROUPS))
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not set up the environment of the check: {error}")
    gate.ended("environment", gate.began, "", held=True)
    gate.together(
        lambda: gate.step("the quick tests", inside, *PYTEST, *PARALLEL, *CHECK),
        lambda: text(gate, inside),
        lambda: types(gate, inside),
    )
    gate.close("the quick part of it; `make test` does all")


def suite(*paths: str) -> None:
    """Run the tests of the library on this Python, all of them or those in the paths."""
    gate = Gate()
    version = version_of(sys.executable) or ""
    further(gate, version, sys.executable, [*browser(), *paths])
    gate.close(f"Python {version}, {sys.platform}")


def newest() -> None:
    """Run all tests with the newest release of every dependency and tool, its pins lifted."""
    gate = Gate()
    lifted = [
        need.replace("==", ">=") for group in GROUPS for need in PROJECT["dependency-groups"][group]
    ]
    version = version_of(sys.executable) or ""
    inside = gate.environment(version, "-e", EXTRAS, *lifted, python=sys.executable)
    if inside is not None:
        gate.step("tests, newest dependencies", inside, *PYTEST, *PARALLEL, *browser())
    gate.close("the newest dependencies")


def everything() -> None:
    """Run every check on every Python."""
    gate = Gate()
    pythons = interpreters()
    only = browser()
    (first, python), *others = pythons.items()
    wanted = groups("lint", "docs", "package", *GROUPS)
    inside = gate.environment(first, "-e", EXTRAS, *wanted, python=python)
    if inside is None:
        gate.close("")
        return
    site = ["tests/site/built.py"] if only else ["tests/site/built.py", "tests/site/seen.py"]
    gate.together(
        lambda: measured(gate, first, inside, only),
        lambda: text(gate, inside),
        lambda: types(gate, inside),
        lambda: gate.step("packages", inside, "tools/packages.py", *pythons.values()),
        lambda: gate.step("documentation", inside, *PYTEST, *site),
        lambda: gate.step("licences", inside, "tools/licences.py"),
        *(partial(further, gate, version, found, only) for version, found in others),
    )
    gate.close(f"Python {', '.join(pythons)}")


if __name__ == "__main__":
    os.chdir(ROOT)
    # Where nothing may write bytecode, a thousand processes would compile what they import.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(WORK / "bytecode")
    what, *arguments = sys.argv[1:] or ["test"]
    {"check": check, "newest": newest, "suite": suite, "test": everything}[what](*arguments)

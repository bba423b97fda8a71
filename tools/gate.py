"""The gate: everything that must hold, on every supported Python that is installed.

Each step prints its name and what it ran; the first one that fails ends it.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import environment

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".gate"
VERSIONS = ("3.11", "3.12", "3.13")
EXTRAS = ".[cli,dask,parquet,pytest]"
GROUPS = ("test", "consumers", "observability", "web")
# What needs the packages of other people runs on the first Python only: it is about them, and
# their installation alone would take the gate beyond its quarter of an hour.
ONCE = [
  "tests/web", "tests/faults/test_soak.py", "tests/batch/test_batch.py", "tests/cli/test_export.py",
  "tests/cluster/test_call.py",
  "tests/docs/test_docs.py", "tests/export/test_export.py", "tests/export/test_diff.py",
  "tests/export/test_files.py", "tests/export/test_formats.py", "tests/export/test_rows.py",
  "tests/exchange/test_limiter.py", "tests/test_observability.py", "tests/test_opentelemetry.py",
  "tests/test_pytest_plugin.py", "tests/cluster/test_shards.py",
]  # fmt: skip
PURE = "socialfetch_async/_protocol/*,socialfetch_async/models.py,socialfetch_async/errors.py"


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
    return dict(sorted(found.items(), key=lambda item: tuple(map(int, item[0].split(".")))))


def step(name: str, *command: str | Path, **environ: str) -> None:
    """Run one check, and end the gate if it fails."""
    print(f"\n=== {name}", flush=True)
    began = time.monotonic()
    result = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=os.environ | environ, check=False
    )
    print(f"--- {name}: {time.monotonic() - began:.0f} s", flush=True)
    if result.returncode:
        sys.exit(f"the gate is closed: {name} failed with exit code {result.returncode}")


def main() -> None:
    """Run every check."""
    pythons = interpreters()
    for version in VERSIONS:
        if version not in pythons:
            print(f"!!! Python {version} IS NOT INSTALLED HERE: nothing is tested on it")
    only = browser()
    (first, python), *others = pythons.items()
    print(f"\n=== environment, Python {first}", flush=True)
    wanted = groups("lint", "docs", "package", *GROUPS)
    inside = environment.make(WORK / f"python{first}", "-e", EXTRAS, *wanted, python=python)
    lint(inside, list(pythons.values()), only)
    measured(first, inside, only)
    for version, python in others:
        print(f"!!! Python {version}: without {', '.join(ONCE)}")
        tests(version, python, only)
    print(f"\nthe gate is open: Python {', '.join(pythons)}")


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


def lint(inside: Path, pythons: list[str], only: list[str]) -> None:
    """Check the text of the code, the packages and the documentation."""
    bin_ = inside.parent
    step("format", bin_ / "ruff", "format", "--check", "--diff", ".")
    step("lint", bin_ / "ruff", "check", ".")
    step("types (mypy)", bin_ / "mypy", "--python-executable", inside)
    step("types (pyright)", bin_ / "pyright", "--pythonpath", inside)
    step("import rules", bin_ / "lint-imports")
    step("packages", inside, "tools/packages.py", *pythons)
    site = ["tests/site/built.py"] if only else ["tests/site/built.py", "tests/site/seen.py"]
    step("documentation", inside, "-m", "pytest", "-q", *site)


def groups(*names: str) -> list[str]:
    """Return the arguments of pip for dependency groups."""
    return [part for name in names for part in ("--group", name)]


def tests(version: str, python: str, only: list[str]) -> None:
    """Run the suite of the library on a further Python."""
    inside = environment.make(
        WORK / f"python{version}", "-e", ".[cli]", "--group", "test", python=python
    )
    # Development mode: asyncio's own checks, and every warning of the interpreter.
    ignored = [f"--ignore={path}" for path in ONCE]
    pytest = ("-X", "dev", "-m", "pytest", "-q", *ignored, *only)
    step(f"tests, Python {version}, -X dev", inside, *pytest)


def measured(version: str, inside: Path, only: list[str]) -> None:
    """Run the whole suite, with its coverage."""
    data = str(WORK / "coverage")
    coverage = [str(inside), "-m", "coverage"]
    for old in WORK.glob("coverage*"):
        old.unlink()
    step(
        f"tests, Python {version}, with coverage",
        *coverage, "run", "-m", "pytest", "-q", *only, COVERAGE_FILE=data,
    )  # fmt: skip
    step("coverage: combine", *coverage, "combine", "--quiet", COVERAGE_FILE=data)
    step("coverage: the whole", *coverage, "report", "--fail-under=95", COVERAGE_FILE=data)
    step(
        "coverage: every branch of the pure part",
        *coverage, "report", f"--include={PURE}", "--fail-under=100", COVERAGE_FILE=data,
    )  # fmt: skip


if __name__ == "__main__":
    os.chdir(ROOT)
    main()

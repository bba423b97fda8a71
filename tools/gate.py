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
    lint(pythons, only)
    for position, (version, python) in enumerate(pythons.items()):
        tests(version, python, only, measured=position == 0)
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


def lint(pythons: dict[str, str], only: list[str]) -> None:
    """Check the text of the code, the packages and the documentation."""
    version, python = next(iter(pythons.items()))
    print(f"\n=== environment for the checks, Python {version}", flush=True)
    inside = environment.make(
        WORK / "lint", "-e", EXTRAS, *groups("lint", "docs", "package", *GROUPS), python=python
    )
    bin_ = inside.parent
    step("format", bin_ / "ruff", "format", "--check", "--diff", ".")
    step("lint", bin_ / "ruff", "check", ".")
    step("types (mypy)", bin_ / "mypy", "--python-executable", inside)
    step("types (pyright)", bin_ / "pyright", "--pythonpath", inside)
    step("import rules", bin_ / "lint-imports")
    step("packages", inside, "tools/packages.py", *pythons.values())
    site = ["tests/site/built.py"] if only else ["tests/site/built.py", "tests/site/seen.py"]
    step("documentation", inside, "-m", "pytest", "-q", *site)


def groups(*names: str) -> list[str]:
    """Return the arguments of pip for dependency groups."""
    return [part for name in names for part in ("--group", name)]


def tests(version: str, python: str, only: list[str], *, measured: bool) -> None:
    """Run the suite on one Python; on the first one with its coverage."""
    print(f"\n=== environment for the tests, Python {version}", flush=True)
    inside = environment.make(
        WORK / f"python{version}", "-e", EXTRAS, *groups(*GROUPS), python=python
    )
    if not measured:
        # Development mode: asyncio's own checks, and every warning of the interpreter.
        step(f"tests, Python {version}, -X dev", inside, "-X", "dev", "-m", "pytest", "-q", *only)
        return
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

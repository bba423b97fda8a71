"""Build the packages as a release does, and check them as they are installed.

`packages.py PYTHON...`, by an interpreter that has the groups `lint` and `package`: the wheel in a
new environment of each Python, and on the first one a fast part of the tests with the lowest
dependencies that pyproject.toml allows.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from tempfile import TemporaryDirectory

from environment import registry

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
EPOCH = "1750000000"
URL = "https://git.example/someone/socialfetch-async"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FAST = [
    "tests/test_client.py", "tests/test_run.py", "tests/protocol/test_decode.py",
    "tests/exchange/test_transport.py",
]  # fmt: skip
# The tests' own tools are as pinned as ever; the library's dependencies are what is lowered.
NOT_LOWERED = ("coverage", "pytest==")
EXTRAS = sorted(PROJECT["project"]["optional-dependencies"])


def run(*command: str | Path, cwd: Path = ROOT, environ: Mapping[str, str] | None = None) -> None:
    """Run a command; what fails ends all."""
    env = {**registry(), **os.environ, **(environ or {})}
    done = subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(map(str, command))}")


def built(source: Path, folder: Path) -> tuple[Path, Path]:
    """Build an sdist, and a wheel from that, as `python -m build` does."""
    command = (sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder, source)
    run(*command, environ={"SOURCE_DATE_EPOCH": EPOCH, "PROJECT_URL": URL})
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def reproducible(folder: Path) -> tuple[Path, Path]:
    """Return packages that come out byte for byte the same of other places, at another time."""
    sdist, wheel = built(ROOT, folder / "first")
    shutil.unpack_archive(sdist, folder)
    source = folder / sdist.name.removesuffix(".tar.gz")
    for path in source.rglob("*"):
        os.utime(path, (1, 1))
    again = built(source, folder / "second")
    for one, other in zip((sdist, wheel), again, strict=True):
        assert filecmp.cmp(one, other, shallow=False), f"{one.name} is not reproducible"
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    return sdist, wheel


def contents(wheel: Path) -> Message:
    """Check what is in the wheel; return its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        text = BytesParser().parsebytes(archive.read(info))
        points = archive.read(info.replace("METADATA", "entry_points.txt")).decode()
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "socialfetch_async").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    about = {name for name in names if name.startswith(info.partition("/")[0])}
    assert names - about == package, names - about ^ package
    assert "socialfetch_async/py.typed" in package
    assert "socialfetch = socialfetch_async.cli:main" in points
    assert "[pytest11]" in points
    return text


def described(text: Message) -> str:
    """Check the metadata; return the version."""
    project = PROJECT["project"]
    for field in ("Name", "Version", "Summary", "License-Expression", "Requires-Python"):
        assert text[field], field
    assert text.get_all("Classifier") == project["classifiers"]
    assert set(text["Keywords"].split(",")) == set(project["keywords"])
    assert set(text.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    urls = dict(url.split(", ", 1) for url in text.get_all("Project-URL", []))
    assert set(urls) == {"Source", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith(URL) for url in urls.values())
    readme = str(text.get_payload())
    assert "# socialfetch-async" in readme
    assert "](docs/" not in readme, "a relative link leads nowhere in a package index"
    return text["Version"]


def environment(folder: Path, python: str, *install: str | Path) -> Path:
    """Return the interpreter of a new environment."""
    run(BIN / "uv", "venv", "--quiet", "--clear", "--python", python, folder)
    inside = folder / "bin" / "python"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", inside, *install)
    return inside


def works(inside: Path, place: Path, version: str, *extras: str) -> None:
    """Run the checks of an installation in an empty folder."""
    run(BIN / "uv", "pip", "check", "--quiet", "--python", inside)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    script = place.parent / "check.py"
    shutil.copy(ROOT / "tests" / "installed" / "check.py", script)
    run(inside, "-I", "-W", "error", script, version, *extras, cwd=place)
    print(f"    works: {inside.parent.parent.name}, extras: {', '.join(extras) or 'none'}")


def typed(inside: Path, folder: Path) -> None:
    """Check the types as a user does: against what is installed."""
    # The program there has a limiter in it, which is another library's.
    run(BIN / "uv", "pip", "install", "--quiet", "--python", inside, "--group", "observability")
    shutil.copy(ROOT / "tests" / "typing" / "api.py", folder)
    api, cache = folder / "api.py", folder / "mypy"
    mypy = (BIN / "mypy", "--strict", "--cache-dir", cache)
    run(*mypy, "--python-executable", inside, api, cwd=folder)
    run(BIN / "pyright", "--pythonpath", inside, api, cwd=folder)


def lowest(folder: Path, wheel: Path, version: str, python: str) -> None:
    """Run fast tests with the lowest versions that are allowed."""
    tools = [
        tool for tool in PROJECT["dependency-groups"]["test"] if not tool.startswith(NOT_LOWERED)
    ]
    everything = f"{wheel}[{','.join(EXTRAS)}]"
    inside = environment(
        folder / "lowest", python, "--resolution=lowest-direct", *tools, everything
    )
    works(inside, folder / "empty", version, *EXTRAS)
    tests = folder / "lowest-tests"
    shutil.copytree(ROOT / "tests", tests / "tests")
    shutil.copy(ROOT / "pyproject.toml", tests)
    pytest = ("-P", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    run(inside, *pytest, *FAST, cwd=tests, environ={"PYTHONPATH": str(tests)})


def main() -> None:
    """Do all of it."""
    pythons = sys.argv[1:] or [sys.executable]
    with TemporaryDirectory(prefix="socialfetch-packages-") as name:
        folder = Path(name)
        sdist, wheel = reproducible(folder)
        version = described(contents(wheel))
        print(f"{wheel.name}: reproducible, complete, and nothing else is in it")
        for number, python in enumerate(pythons):
            inside = environment(folder / f"python{number}", python, sdist)
            works(inside, folder / "empty", version)
            again = ("--reinstall-package", "socialfetch-async")
            run(BIN / "uv", "pip", "install", "--quiet", "--python", inside, *again,
                f"{wheel}[{','.join(EXTRAS)}]")  # fmt: skip
            works(inside, folder / "empty", version, *EXTRAS)
            if number == 0:
                typed(inside, folder)
                print("    typed, by mypy --strict and pyright")
        lowest(folder, wheel, version, pythons[0])
        print(f"    tests of {', '.join(FAST)} pass with the lowest dependencies")


if __name__ == "__main__":
    main()

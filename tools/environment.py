"""Make a virtual environment: `environment.py FOLDER REQUIREMENT...`, as `pip install` takes them.

uv installs, in seconds, where it can be had; pip does where it cannot. Both ask the package index
that pip is set up for.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = "uv==0.13.9"  # as in the group `package`
# What a machine tells pip about its registry, and the name that uv has for it.
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
}


def make(folder: Path, *requirements: str, python: str = sys.executable) -> Path:
    """Return the interpreter of a new environment that holds the requirements.

    Args:
        folder: Where; what is there is removed first.
        requirements: What `pip install` takes.
        python: The interpreter to build it from.

    Raises:
        subprocess.CalledProcessError: They cannot be installed.
    """
    remove(folder)
    inside = interpreter(folder)
    if (uv := bootstrapped()) is not None:
        new = [str(uv), "venv", "--quiet", "--seed", "--python", python, str(folder)]
        install = [str(uv), "pip", "install", "--quiet", "--python", str(inside), *requirements]
        for command in (new, install):
            if subprocess.run(command, env=registry() | os.environ, check=False).returncode:
                print(f"!!! uv could not set up {folder.name}: pip does it, slowly", flush=True)
                remove(folder)
                break
        else:
            return inside
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(inside), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # The pip that comes with Python may be older than dependency groups (25.1).
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
    subprocess.run([*pip, *requirements], check=True)
    return inside


def kept(folder: Path, *requirements: str) -> Path:
    """Return the interpreter of an environment that is made anew only when it has to be.

    That is: when there is none, or when pyproject.toml, the requirements or the Python changed.
    """
    asked = "\n".join((sys.version, sys.executable, *requirements)).encode()
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + asked).hexdigest()
    stamp = folder / "made-of"
    if not stamp.is_file() or stamp.read_text() != digest:
        make(folder, *requirements)
        stamp.write_text(digest)
    return interpreter(folder)


def remove(folder: Path) -> None:
    """Remove an environment, if there is one."""
    if folder.exists():
        shutil.rmtree(folder)


def interpreter(folder: Path) -> Path:
    """Return the path of an environment's interpreter."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@cache
def bootstrapped() -> Path | None:
    """Return uv, from an environment of its own that is kept; None if it cannot be installed."""
    folder = ROOT / ".gate" / "uv"
    uv = interpreter(folder).with_name("uv")
    stamp = folder / "made-of"
    if stamp.is_file() and stamp.read_text() == UV and subprocess.run(
        [uv, "--version"], capture_output=True, check=False
    ).returncode == 0:  # fmt: skip
        return uv
    remove(folder)
    pip = [str(interpreter(folder)), "-m", "pip", "--disable-pip-version-check", "install"]
    for command in ([sys.executable, "-m", "venv", str(folder)], [*pip, "--quiet", UV]):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            print("!!! uv cannot be installed here: pip sets up the environments, slowly")
            return None
    stamp.write_text(UV)
    return uv


@cache
def registry() -> dict[str, str]:
    """Return the environment variables that tell uv what pip is told here."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    told: dict[str, str] = {}
    # Files come before the environment, which wins: `global.index-url='...'`, `:env:.cert='...'`.
    for line in sorted(said.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        if variable := SETTINGS.get(name.rpartition(".")[2]):
            separator = "," if variable == "UV_FIND_LINKS" else " "
            told[variable] = separator.join(str(ast.literal_eval(value)).split())
    if "UV_INDEX" in told:  # pip takes the best of all of them, uv the first that has any
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return told


if __name__ == "__main__":
    try:
        make(Path(sys.argv[1]), *sys.argv[2:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not set up {sys.argv[1]}: {error}")

"""Make a fresh virtual environment and install into it: `environment.py FOLDER REQUIREMENT...`."""

import shutil
import subprocess
import sys
from pathlib import Path

LOWEST = (3, 11)


def make(folder: Path, *requirements: str, python: str = sys.executable) -> Path:
    """Return the interpreter of a new environment that holds the requirements.

    Args:
        folder: Where; what is there is removed first.
        requirements: What `pip install` takes.
        python: The interpreter to build it from.
    """
    if folder.exists():
        shutil.rmtree(folder)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    inside = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(inside), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # The pip that comes with Python may be older than dependency groups (25.1).
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
    subprocess.run([*pip, *requirements], check=True)
    return inside


if __name__ == "__main__":
    if sys.version_info < LOWEST:
        sys.exit(f"Python {sys.version.split()[0]} is too old: 3.11 or later is needed")
    try:
        make(Path(sys.argv[1]), *sys.argv[2:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not set up {sys.argv[1]}: {error}")

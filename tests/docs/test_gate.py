"""What the gate, the workflows and the metadata name is there, and the same."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import SLOW

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


def pythons() -> list[str]:
    """Return the supported versions, from the metadata."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [
        name.rpartition(" ")[2] for name in project["classifiers"] if ":: Python :: 3." in name
    ]
    assert project["requires-python"] == f">={found[0]}"
    return found


def named_once() -> list[str]:
    """Return what the gate leaves out on all Pythons but the first."""
    tree = ast.parse((ROOT / "tools" / "gate.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ONCE":
            return list(ast.literal_eval(node.value))
    raise AssertionError("tools/gate.py has no ONCE")


def test_what_is_left_out_is_there() -> None:
    """A file that moved would silently be quick, or run where its packages are missing."""
    for path, _, test in (name.partition("::") for name in [*SLOW, *named_once()]):
        assert (ROOT / path).exists(), path
        if test:
            assert f"def {test}" in (ROOT / path).read_text(encoding="utf-8"), test


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_exact(workflow: Path) -> None:
    """Actions are pinned by digest, paths exist, and each supported Python is in it."""
    text = workflow.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert uses
    for action, comment in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    for path in re.findall(r"tests/[\w/.]+", text):
        assert (ROOT / path).exists(), path
    blocks = re.findall(r"python-version: \|\n((?: +[\d.]+\n)+)", text)
    assert blocks
    for block in blocks:
        assert sorted(block.split()) == pythons()


def test_the_matrix_has_each_python() -> None:
    """macOS and Windows are tested on all of them."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = re.search(r"python: (\[.*\])\n +include:", text)
    assert matrix is not None
    assert ast.literal_eval(matrix[1]) == pythons()


def place(folder: Path, **interpreters: str) -> dict[str, str]:
    """Return an environment whose PATH has these commands only, scripts of one line each."""
    for name, line in interpreters.items():
        command = folder / name
        command.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        command.chmod(0o755)
    return {"PATH": str(folder)}


def planned(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what `make demo` would do there."""
    make = shutil.which("make")
    assert make is not None
    command = [make, "--dry-run", "SHELL=/bin/sh", "demo", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environ, text=True, capture_output=True, check=False
    )


OLD = "exit 1"  # what an interpreter answers to the question whether it is new enough


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"python3": "exit 0", "python3.12": "exit 0"}, "python3"),
        ({"python3": OLD, "python3.12": "exit 0"}, "python3.12"),  # macOS has an old one
        ({"python3.11": "exit 0", "python3.15": "exit 0"}, "python3.15"),  # Debian may have none
    ],
    ids=["the system's own", "an old one", "none of that name"],
)
def test_make_takes_a_python_that_is_new_enough(
    tmp_path: Path, there: dict[str, str], taken: str
) -> None:
    """`python3` first, then the newest of the supported ones."""
    done = planned(place(tmp_path, **there))
    assert done.stdout.startswith(f"{taken} tools/environment.py"), done.stderr


@pytest.mark.parametrize(
    ("there", "arguments"),
    [({}, []), ({"python3": OLD, "python3.12": OLD}, []), ({"mine": OLD}, ["PYTHON=mine"])],
    ids=["none", "old ones", "one that was named"],
)
def test_make_says_that_no_python_is_new_enough(
    tmp_path: Path, there: dict[str, str], arguments: list[str]
) -> None:
    """Before anything is tried, in a sentence that says what to do."""
    done = planned(place(tmp_path, **there), *arguments)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Python 3.11 or later was not found" in done.stderr
    assert "make PYTHON=/path/to/python3.11" in done.stderr


def test_make_asks_the_interpreter_itself(tmp_path: Path) -> None:
    """The real one, by its path, and one that is older than it is supposed to be."""
    done = planned(place(tmp_path), f"PYTHON={sys.executable}")
    assert done.stdout.startswith(f"{sys.executable} tools/environment.py"), done.stderr
    asked = 'exec "$REAL" -c "import sys; sys.version_info = (3, 10, 13); $2"'
    environ = place(tmp_path, python3=asked) | {"REAL": sys.executable}
    assert "was not found" in planned(environ).stderr
    assert planned(environ | {"PATH": os.defpath}, f"PYTHON={sys.executable}").returncode == 0


def test_make_knows_each_python() -> None:
    """The names that it looks for are those of the metadata."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r" python(3\.\d+)", text))) == pythons()


@pytest.mark.parametrize(
    ("licence", "fine"),
    [
        ("MIT", True),
        ("(Apache-2.0 OR BSD-2-Clause) AND MIT", True),
        ("Apache License, Version 2.0", True),
        ("Python Software Foundation License", True),
        ("MIT AND LGPL-3.0-only", False),
        ("MIT License AND Other/Proprietary License", False),
        ("MPL-2.0", False),
        ("GPL-2.0-or-later", False),
        ("unknown", False),
    ],
)
def test_each_licence_of_a_package_is_looked_at(licence: str, *, fine: bool) -> None:
    """Not the first one of those that hold together alone."""
    assert runpy.run_path(str(ROOT / "tools" / "licences.py"))["is_fine"](licence) is fine

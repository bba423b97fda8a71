"""What the gate, the workflows and the metadata name is there, and the same."""

import ast
import re
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

"""No import is hidden from the rules in pyproject.toml, which see the statements alone."""

import ast
from pathlib import Path

import socialfetch_async

PACKAGE = Path(socialfetch_async.__file__).parent
DOOR = PACKAGE / "__init__.py"  # it loads the public names when they are first used


def hidden(module: Path) -> list[str]:
    """Return the modules of the package that a module imports by their names, as text."""
    calls = [n for n in ast.walk(ast.parse(module.read_text())) if isinstance(n, ast.Call)]
    return [
        text.value
        for call in calls
        if ast.unparse(call.func).split(".")[-1] in {"import_module", "__import__"}
        for text in ast.walk(call)
        if isinstance(text, ast.Constant)
        and isinstance(text.value, str)
        and text.value.startswith(("socialfetch", "."))
    ]


def test_no_import_is_hidden() -> None:
    """A module that imports another one by its name as text could close a circle unseen."""
    assert {m: hidden(m) for m in PACKAGE.rglob("*.py") if m != DOOR and hidden(m)} == {}

"""Print the measures of the house: rooms, lines, long files, long functions, arrows.

`python tools/house.py` for this checkout; `python tools/house.py FOLDER` for another one, to see
what a move did.
"""

import ast
import sys
from collections import Counter
from pathlib import Path

PACKAGE = "socialfetch_async"
LONG_FILE = 350
LONG_FUNCTION = 45
Function = ast.FunctionDef | ast.AsyncFunctionDef


def room(module: Path, package: Path) -> str:
    """Return the folder or the file at the package's root that a module belongs to."""
    return module.relative_to(package).parts[0].removesuffix(".py")


def targets(node: ast.AST) -> list[str]:
    """Return the modules of the package that an import names."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
        inside = (node.module or "").split(".")[1:]
        return inside[:1] or [alias.name for alias in node.names]
    if isinstance(node, ast.Import):
        names = [alias.name.split(".") for alias in node.names]
        return [name[1] for name in names if name[0] == PACKAGE and len(name) > 1]
    return []


def length(function: Function) -> int:
    """Return the lines of a function without its decorators and docstring."""
    first = function.body[0]
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def main(root: Path) -> None:
    """Print what there is, the largest first."""
    package = root / PACKAGE
    entries = sorted(p.name for p in package.iterdir() if not p.name.startswith("__pycache__"))
    rooms = {name.removesuffix(".py") for name in entries}
    lines: Counter[str] = Counter()
    files: dict[str, int] = {}
    functions: dict[str, int] = {}
    arrows: set[tuple[str, str]] = set()
    for module in sorted(package.rglob("*.py")):
        text = module.read_text(encoding="utf-8")
        name = module.relative_to(package).as_posix()
        here = room(module, package)
        lines[here] += files.setdefault(name, len(text.splitlines()))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function):
                functions[f"{name}: {node.name}"] = length(node)
            arrows |= {(here, to) for to in targets(node) if to in rooms and to != here}
    top = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    public = {
        alias.asname or alias.name
        for node in ast.walk(top)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
        for alias in node.names
    }
    sizes = sorted(functions.values())
    print(f"{sum(lines.values()):7,} lines in {len(files)} files")
    print(f"{len(entries):7} entries at the package's root, {len(public)} public names at the top")
    print(f"{len(arrows):7} arrows between {len(lines)} rooms")
    print(
        f"{sizes[len(sizes) // 2]:7} lines in the median function of {len(sizes)}, docstring aside"
    )
    print("\nlines by room")
    for name, count in lines.most_common():
        print(f"{count:7,} {name}")
    print(f"\nfiles over {LONG_FILE} lines")
    for name, count in sorted(files.items(), key=lambda item: -item[1]):
        if count > LONG_FILE:
            print(f"{count:7} {name}")
    print(f"\nfunctions over {LONG_FUNCTION} lines, docstring aside")
    for name, count in sorted(functions.items(), key=lambda item: -item[1]):
        if count > LONG_FUNCTION:
            print(f"{count:7} {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)

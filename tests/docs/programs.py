"""The programs in the README and the docs; run as a module, it writes them for the type checkers.

python -m tests.docs.programs FOLDER
"""

import re
import shutil
import sys
from itertools import zip_longest
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a notebook does with a cell that awaits.
NOTEBOOK = """
import ast, asyncio, sys
cell = compile(sys.argv[1], "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
asyncio.run(eval(cell, {}))
"""


class Program(NamedTuple):
    """A program in a page, and what the page says that it prints."""

    place: str
    code: str
    output: str | None

    @property
    def tests(self) -> int:
        """How many tests it has, which pytest runs."""
        return self.code.count("def test_")

    @property
    def is_cell(self) -> bool:
        """Whether it awaits as a cell of a notebook does."""
        return re.search(r"^await ", self.code, re.MULTILINE) is not None

    def command(self) -> list[str]:
        """Return what runs it: a loop, if it is for a notebook."""
        if self.is_cell:
            return ["-c", NOTEBOOK, self.code]
        return ["-c", self.code]


def programs() -> list[Program]:
    """Return all blocks of Python; a block of text behind one is its output."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text()
        blocks = list(FENCE.finditer(text))
        for block, after in zip_longest(blocks, blocks[1:]):
            if block[1] != "python":
                continue
            line = text.count("\n", 0, block.start()) + 1
            output = after[2] if after is not None and after[1] == "text" else None
            found.append(Program(f"{page.relative_to(ROOT)}:{line}", block[2], output))
    return found


def write(folder: Path) -> None:
    """Write each program to a file of its own, a cell of a notebook as a coroutine."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for program in programs():
        name = re.sub(r"\W", "_", program.place.replace(".md", ""))
        code = program.code
        if program.is_cell:
            code = f"async def cell() -> None:\n{indent(code, '    ')}"
        (folder / f"{name}.py").write_text(code)


if __name__ == "__main__":
    write(Path(sys.argv[1]))

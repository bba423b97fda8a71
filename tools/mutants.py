"""Of the changes that mutmut makes to the modules that decide, how many the tests notice.

`mutants.py` prints it for each module after `mutmut run`; `--write` also puts it between the marks
of a page. Exit code 1 if fewer than 95 % are noticed, or some were not tried.
"""

import argparse
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parent.parent
GOAL: Final = 0.95
# What mutmut writes down: a test failed, or did not end in the time that mutmut allows.
NOTICED: Final = frozenset({1, 3, -24, 24, 36, 152, 255})


def results() -> dict[str, list[int | None]]:
    """Return for each module the exit codes of its tests, one a change."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, list[int | None]] = {}
    for path in project["tool"]["mutmut"]["source_paths"]:
        kept = json.loads((ROOT / "mutants" / f"{path}.meta").read_text(encoding="utf-8"))
        found[path.partition("/")[2]] = list(kept["exit_code_by_key"].values())
    return found


def table(found: dict[str, list[int | None]]) -> str:
    """Return a Markdown table: the modules, and all of them together."""
    rows = ["| Module | Changes | Noticed | Share |", "| --- | ---: | ---: | ---: |"]
    everything = [code for codes in found.values() for code in codes]
    for name, codes in [*((f"`{path}`", found[path]) for path in found), ("all", everything)]:
        noticed = sum(code in NOTICED for code in codes)
        rows.append(f"| {name} | {len(codes)} | {noticed} | {noticed / len(codes):.1%} |")
    return "\n".join(rows)


def write(page: Path, printed: str) -> None:
    """Put the table between the marks of a page, with its day."""
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- mutants -->")
    after = rest.partition("<!-- /mutants -->")[2]
    section = f"{time.strftime('%Y-%m-%d')}:\n\n{printed}"
    text = f"{before}<!-- mutants -->\n\n{section}\n\n<!-- /mutants -->{after}"
    page.write_text(text, encoding="utf-8")


def main() -> int:
    """Print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    arguments = parser.parse_args()
    found = results()
    printed = table(found)
    print(printed)
    if arguments.write is not None:
        write(arguments.write, printed)
    codes = [code for each in found.values() for code in each]
    noticed = sum(code in NOTICED for code in codes)
    return int(None in codes or noticed < GOAL * len(codes))


if __name__ == "__main__":
    sys.exit(main())

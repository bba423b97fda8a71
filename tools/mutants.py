"""Of the changes that mutmut makes to the modules that decide, how many the tests notice.

`mutants.py` prints it for each module after `mutmut run`; `--write` also puts it between the marks
of a page. Exit code 1 if fewer than 95 % are noticed, fewer than 93 % in one of the modules, or if
some were not tried: then nothing is written.
"""

import argparse
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parent.parent
GOAL: Final = 0.95  # of all changes
LEAST: Final = 0.93  # of those to one module
# What mutmut writes down: a test failed, or they did not end in 15 times as many seconds as they
# took without the change, and 15 more.
FAILED: Final = frozenset({1, 3})
NO_END: Final = frozenset({-24, 24, 36, 152, 255})

Codes = list[int | None]


def results() -> dict[str, Codes]:
    """Return for each module the exit codes of its tests, one a change."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Codes] = {}
    for path in project["tool"]["mutmut"]["source_paths"]:
        kept = json.loads((ROOT / "mutants" / f"{path}.meta").read_text(encoding="utf-8"))
        found[path.partition("/")[2]] = list(kept["exit_code_by_key"].values())
    return found


def share(codes: Codes) -> float:
    """Return the share of the changes that was noticed."""
    return sum(code in FAILED | NO_END for code in codes) / len(codes)


def table(found: dict[str, Codes], everything: Codes) -> str:
    """Return a Markdown table: the modules, and all of them together."""
    rows = [
        "| Module | Changes | A test fails | The tests do not end | Noticed |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, codes in [*((f"`{path}`", found[path]) for path in found), ("all", everything)]:
        failed, no_end = (sum(code in kind for code in codes) for kind in (FAILED, NO_END))
        rows.append(f"| {name} | {len(codes)} | {failed} | {no_end} | {share(codes):.1%} |")
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
    everything = [code for codes in found.values() for code in codes]
    printed = table(found, everything)
    print(printed)
    if left := everything.count(None):
        print(f"!!! {left} changes were not tried")
        return 1
    if arguments.write is not None:
        write(arguments.write, printed)
    few = [path for path, codes in found.items() if share(codes) < LEAST]
    if few:
        print(f"!!! fewer than {LEAST:.0%} are noticed: {', '.join(few)}")
    if share(everything) < GOAL:
        print(f"!!! fewer than {GOAL:.0%} of all are noticed")
    return int(bool(few) or share(everything) < GOAL)


if __name__ == "__main__":
    sys.exit(main())

"""The licences of what a user of this package installs, from the metadata of what is installed.

`licences.py` checks that each is known and lets the package be used in any program; `--write` also
renews docs/licences.md. Run it with all extras installed.
"""

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

PAGE = Path(__file__).parent.parent / "docs" / "licences.md"
NAME = "socialfetch-async"
EXTRAS = ("cli", "parquet", "dask", "pytest")
HEAD = """# Licences

What a user of this package installs with it, and under which licence, as each package says itself.
This page is made by `tools/licences.py --write`; the gate refuses a licence that is not permissive.

| Package | Licence | Installed for |
| --- | --- | --- |
"""
# What a licence begins with: an SPDX expression names it shortly, older metadata in words.
PERMISSIVE = re.compile(
    r"(?:The )?(?:MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense|0BSD)\b",
    re.IGNORECASE,
)
BETWEEN = re.compile(r" (?:AND|OR) |[()]")


def licence_of(package: Distribution) -> str:
    """Return what a package says of its licence, in one line."""
    said = package.metadata
    if expressions := said.get_all("License-Expression"):
        return str(expressions[0])
    classified = [
        name.rpartition(" :: ")[2]
        for name in said.get_all("Classifier", [])
        if name.startswith("License ::") and not name.endswith("OSI Approved")
    ]
    first = next(iter(said.get_all("License", [])), "").strip().partition("\n")[0]
    return " AND ".join(classified) or first or "unknown"


def needed(extra: str, found: dict[str, set[str]]) -> None:
    """Add what is needed for an extra, "" for none, and by what that needs."""
    waiting = [(NAME, {extra})]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (key := (name, frozenset(extras))) in seen:
            continue
        seen.add(key)
        if name != NAME:
            found.setdefault(name, set()).add(extra)
        for text in distribution(name).requires or ():
            need = Requirement(text)
            wanted = [{"extra": one} for one in (extras or {""})]
            if need.marker is None or any(need.marker.evaluate(one) for one in wanted):
                waiting.append((need.name.lower().replace("_", "-"), need.extras or {""}))


def rows() -> list[tuple[str, str, str]]:
    """Return name, licence and purpose of each package, the core's first."""
    found: dict[str, set[str]] = {}
    for extra in ("", *EXTRAS):
        needed(extra, found)
    shown = []
    for name, extras in sorted(found.items(), key=lambda item: ("" not in item[1], item[0])):
        # What the core needs, every extra needs as well.
        why = "the client" if "" in extras else ", ".join(sorted(f"`[{one}]`" for one in extras))
        shown.append((name, licence_of(distribution(name)), why))
    return shown


def main() -> None:
    """Check the licences; write the page if asked to."""
    table = rows()
    bad = [f"{name}: {licence}" for name, licence, _ in table if not is_fine(licence)]
    if bad:
        sys.exit(f"not known to be permissive, in tools/licences.py: {'; '.join(bad)}")
    if "--write" in sys.argv[1:]:
        body = "".join(f"| {' | '.join(row)} |\n" for row in table)
        PAGE.write_text(HEAD + body, encoding="utf-8")
    print(f"{len(table)} packages, each with a permissive licence")


def is_fine(licence: str) -> bool:
    """Whether each licence that is named lets the package be used in any program."""
    return all(PERMISSIVE.match(one) for one in BETWEEN.split(licence) if one)


if __name__ == "__main__":
    main()

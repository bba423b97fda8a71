"""Build the documentation site, with each page as Markdown beside it and an index in llms.txt.

    python tools/documentation.py

zensical makes the HTML. What it cannot do without the site's URL is done here: relative links in
llms.txt, the Markdown of the reference, and a footer with the version and the changelog.
PROJECT_URL, which a release sets, adds a link to the repository.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import griffe

from socialfetch_async._version import __version__

ROOT = Path(__file__).parent.parent
INCLUDE = re.compile(r'^--8<-- "([^":]+)(?::([^"]+))?"$', re.MULTILINE)
REFERENCE = re.compile(r"^::: (\S+)\n(?:    .*\n)*", re.MULTILINE)
FOOTER = '<div class="md-copyright">'


def project() -> dict[str, Any]:
    """Return the settings of the site."""
    with (ROOT / "zensical.toml").open("rb") as file:
        settings: dict[str, Any] = tomllib.load(file)["project"]
    return settings


def pages(entries: list[dict[str, Any]]) -> Iterator[tuple[str, str | None]]:
    """Yield the title and the path of each page; the path of a section's title is None."""
    for entry in entries:
        for title, value in entry.items():
            yield title, value if isinstance(value, str) else None
            if not isinstance(value, str):
                yield from pages(value)


def included(found: re.Match[str]) -> str:
    """Return the file, or the part of it, that a line includes."""
    text = (ROOT / found[1]).read_text()
    if part := found[2]:
        text = text.partition(f"--8<-- [start:{part}] -->\n")[2]
        text = text.partition(f"<!-- --8<-- [end:{part}]")[0]
    return text.rstrip()


def signature(item: griffe.Object, name: str) -> str:
    """Return how something is called, one argument per line if there are several."""
    if isinstance(item, griffe.Class | griffe.Function):
        text = item.signature(name=name) or name
        inside = re.fullmatch(r"(.*?\()(.*)(\)[^()]*)", text, re.DOTALL)
        if inside and len(text) > 80:
            arguments = re.split(r", (?=[*\w]+(?::|=|,|$)|\*,)", inside[2])
            text = inside[1] + "".join(f"\n    {part}," for part in arguments) + f"\n{inside[3]}"
        return text
    annotation = getattr(item, "annotation", None)
    return f"{name}: {annotation}" if annotation else name


def described(item: griffe.Object | griffe.Alias, name: str, level: int) -> Iterator[str]:
    """Yield the reference of a name and its public members as Markdown."""
    target = item.final_target if isinstance(item, griffe.Alias) else item
    yield f"{'#' * level} {name}\n\n```py\n{signature(target, name)}\n```\n"
    if target.docstring is not None:
        yield f"\n{target.docstring.value}\n"
    if isinstance(target, griffe.Class):
        for member, value in target.members.items():
            if not member.startswith("_") and value.docstring is not None:
                yield "\n"
                yield from described(value, member, level + 1)


def markdown(page: Path, package: griffe.Object) -> str:
    """Return a page with what it includes and with its reference written out."""

    def reference(found: re.Match[str]) -> str:
        name = found[1].partition(".")[2]
        return "".join(described(package[name], found[1], 2))

    return REFERENCE.sub(reference, INCLUDE.sub(included, page.read_text()))


def summary(text: str) -> str:
    """Return the first sentence of a page."""
    prose = next(
        (
            p
            for p in text.split("\n\n")[1:]
            if re.match(r"[A-Za-z`[]", p) and not p.startswith("```")
        ),
        "",
    )
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", " ".join(prose.split()))
    return re.split(r"(?<=[.:])\s", plain)[0].rstrip(":")


def footer(page: Path, site: Path) -> str:
    """Return what a page says at its end: the version, the changelog, the repository."""
    up = os.path.relpath(site, page.parent)
    links = [(f"Version {__version__}", f"{up}/changelog.html"), ("llms.txt", f"{up}/llms.txt")]
    if url := os.environ.get("PROJECT_URL"):
        links.append(("Repository", url))
    return " · ".join(f'<a href="{escape(href)}">{text}</a>' for text, href in links)


def main() -> None:
    """Build everything."""
    subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=ROOT, check=True
    )
    settings = project()
    site = ROOT / settings["site_dir"]
    package = griffe.load("socialfetch_async", search_paths=[str(ROOT)])
    assert isinstance(package, griffe.Object)
    index = [f"# {settings['site_name']}\n\n> {settings['site_description']}\n"]
    for title, path in pages(settings["nav"]):
        if path is None:
            index.append(f"\n## {title}\n\n")
            continue
        text = markdown(ROOT / "docs" / path, package)
        (site / path).write_text(text)
        index.append(f"- [{title}]({path}): {summary(text)}\n")
    (site / "llms.txt").write_text("".join(index))
    for page in site.rglob("*.html"):
        html = page.read_text()
        page.write_text(html.replace(FOOTER, FOOTER + footer(page, site), 1))


if __name__ == "__main__":
    main()

"""What can be found in the docs, under which title, and in which words."""

import inspect
import re
import tomllib
from collections import Counter
from pathlib import Path
from posixpath import normpath
from typing import Any

import pytest

import socialfetch_async
from socialfetch_async import batch, emulator, events, export, journal, web

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
GENERATED = re.compile(r"<!-- (\w+).*?-->.*?<!-- /\1 -->", re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
INCLUDE = re.compile(r'^--8<-- "([^":]+)(?::([^"]+))?"$', re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#:]+\.md)\)")

# What somebody types into the search, and the page whose headings must have these words.
SEARCHES = [
    ("resume after crash", "resume.md"),
    ("resume tomorrow", "resume.md"),
    ("limit spending", "limits.md"),
    ("limit credits", "limits.md"),
    ("estimate cost", "limits.md"),
    ("many handles concurrently", "many-handles.md"),
    ("export CSV", "exports.md"),
    ("export batch files", "batches.md"),
    ("refresh", "refresh.md"),
    ("only new followers", "refresh.md"),
    ("incremental", "refresh.md"),
    ("gained lost followers", "refresh.md"),
    ("pandas DataFrame", "dataframes.md"),
    ("polars DataFrame", "dataframes.md"),
    ("Jupyter notebook", "notebooks.md"),
    ("asyncio.run", "notebooks.md"),
    ("tqdm progress bar", "notebooks.md"),
    ("database", "databases.md"),
    ("PostgreSQL", "databases.md"),
    ("FastAPI", "web.md"),
    ("proxy", "proxies.md"),
    ("TLS certificate", "proxies.md"),
    ("timeout", "retries.md"),
    ("circuit breaker", "retries.md"),
    ("rate limit", "rate-limits.md"),
    ("concurrency", "rate-limits.md"),
    ("test pytest mock", "testing.md"),
    ("logging Prometheus", "observability.md"),
    ("OpenTelemetry tracing", "observability.md"),
    ("errors", "errors.md"),
    ("following", "other-lists.md"),
    ("Dask several machines", "cluster.md"),
    ("Celery", "queues.md"),
    ("Airflow", "queues.md"),
    ("install API key", "install.md"),
    ("glossary cursor", "glossary.md"),
    ("exit code", "command-line.md"),
    ("missing_cursor", "reference/statuses.md"),
    ("journal format", "reference/journal.md"),
    ("backpressure", "web-buffers.md"),
    ("guarantees", "promises.md"),
]
# Words that are not idiomatic, and counts of one in the plural.
UNWANTED = re.compile(
    r"\b[Cc]an not\b|\b(?:is|are) none\b|\bbe had\b|\b[Gg]o(?:es|ing)? on\b|\b[Ww]hoever\b"
    r"|\b[Nn]obody\b"
    r"|(?<![\d.,-])\b1 (?:pages|credits|followers|handles|requests|rows|lines|profiles|attempts)\b"
)


def read(page: Path) -> str:
    """Return the text of a page, with what it includes."""

    def included(found: re.Match[str]) -> str:
        text = (ROOT / found[1]).read_text()
        if found[2]:
            text = text.partition(f"--8<-- [start:{found[2]}] -->")[2]
            text = text.partition(f"<!-- --8<-- [end:{found[2]}]")[0]
        return text

    return INCLUDE.sub(included, page.read_text())


def headings(page: Path) -> list[str]:
    """Return the headings of a page, without marks of code."""
    return HEADING.findall(FENCE.sub("", read(page)).replace("`", ""))


def navigation() -> dict[str, str]:
    """Return the title of each page of the site."""

    def entries(value: Any) -> dict[str, str]:
        found: dict[str, str] = {}
        for entry in value:
            for title, target in entry.items():
                found |= {target: title} if isinstance(target, str) else entries(target)
        return found

    with (ROOT / "zensical.toml").open("rb") as file:
        return entries(tomllib.load(file)["project"]["nav"])


TITLES = navigation()


@pytest.mark.parametrize(("search", "page"), SEARCHES)
def test_the_headings_have_the_words_that_people_search_for(search: str, page: str) -> None:
    """All of them, in the headings of the page that answers."""
    shown = " ".join(headings(DOCS / page)).lower()
    assert [word for word in search.lower().split() if word not in shown] == []


def test_every_page_is_in_the_navigation_once() -> None:
    """A page that is in no menu is found by nobody."""
    assert sorted(TITLES) == sorted(str(page.relative_to(DOCS)) for page in PAGES[1:])


@pytest.mark.parametrize("page", TITLES)
def test_the_title_is_the_entry_in_the_navigation(page: str) -> None:
    """The heading of a page and its menu entry are the same words."""
    assert headings(DOCS / page)[0] == TITLES[page]


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_link_to_a_page_has_its_title(page: Path) -> None:
    """In the docs; the README has shorter ones in its table."""
    folder = page.relative_to(DOCS).parent.as_posix()
    wrong = {
        " ".join(text.split()): TITLES.get(normpath(f"{folder}/{target}"))
        for text, target in LINK.findall(FENCE.sub("", page.read_text()))
    }
    assert {text: title for text, title in wrong.items() if text.replace("`", "") != title} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_words_are_idiomatic(page: Path) -> None:
    """Phrases that were on every page once do not come back."""
    prose = GENERATED.sub("", FENCE.sub("", read(page)))
    assert UNWANTED.findall(prose) == []


# Of docstrings as well: words that the glossary has another one for.
OTHER_WORDS = re.compile(
    UNWANTED.pattern
    + r"|\banswer(?:s|ed)?\b|\bon (?:its|their) way\b|\bin hand\b|\bleads? nowhere\b|\bpaid for\b"
    r"|\bthis machine\b|\basked? for again\b|\bcannot be one\b|\b[Nn]othing (?:was|is) sent\b"
)


def docstrings() -> dict[str, str]:
    """Return the docstring of each public name, and of each public attribute of a class."""
    found: dict[str, str] = {}
    for module in (socialfetch_async, batch, emulator, events, export, journal, web):
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name)
            found[f"{module.__name__}.{name}"] = inspect.getdoc(value) or ""
            for own in dir(value) if inspect.isclass(value) else ():
                if not own.startswith("_"):
                    found[f"{module.__name__}.{name}.{own}"] = (
                        inspect.getdoc(inspect.getattr_static(value, own)) or ""
                    )
    return found


def test_the_words_of_docstrings_are_those_of_the_docs() -> None:
    """A tooltip of an editor says the same as the page."""
    found = {name: OTHER_WORDS.findall(text) for name, text in docstrings().items()}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_figures_in_the_readme_are_those_that_were_printed() -> None:
    """What the client and the plain loop lost and hid under mixed faults, over all seeds."""
    printed = (DOCS / "figures.md").read_text()
    mixed = printed[printed.index("10 % mixed") : printed.index("30 % mixed")]
    client, plain = Counter[str](), Counter[str]()
    for name, ours, theirs in re.findall(r"^ +(\w+) +(\d+) +(\d+)$", mixed, re.MULTILINE):
        client[name] += int(ours)
        plain[name] += int(theirs)
    pages = sum(map(int, re.findall(r"pages lost of (\d+)", printed)[:3]))
    text = " ".join((ROOT / "README.md").read_text().split())
    assert client["lost"] == client["hidden"] == 0
    assert f"lost 0 of {pages:,} pages; a plain retry loop lost {plain['lost']:,}." in text
    assert f"counted all {client['requests']:,} requests" in text
    assert f"plain loop sent {plain['hidden']:,} that it did not count." in text


def test_the_speed_in_the_docs_is_the_one_that_was_printed() -> None:
    """In the README, rounded to two digits, and among the reasons of the design."""
    printed = (ROOT / "benchmarks" / "README.md").read_text()
    text = " ".join((ROOT / "README.md").read_text().split())
    for peer, said in (
        ("the bare loop", "takes {} times"),
        (r"httpx \+ pydantic v2", "and {} times"),
    ):
        found = re.search(rf"against {peer}, 20 \w+ page +\| ([\d.]+)", printed)
        assert found is not None
        assert said.format(f"{float(found[1]):.2f}") in text
    found = re.search(r"^\| httpx \+ pydantic v2 +\| +([\d.]+) \|", printed, re.MULTILINE)
    assert found is not None
    assert f"pydantic takes {found[1]} times the CPU" in (DOCS / "design.md").read_text()

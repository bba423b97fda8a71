"""The built pages: every link leads somewhere, and nothing is loaded from another host."""

import re
from collections import defaultdict
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import socialfetch_async
from socialfetch_async import batch, cluster, emulator, export, journal, web

pytestmark = pytest.mark.timeout(600)  # the site is built first

ABSOLUTE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
# What a browser fetches by itself while it shows a page. A link is fetched when it is clicked.
LOADING = {"src", "srcset", "poster", "data", "background", "xlink:href"}
LOADED_BY_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]*)")


class Page(HTMLParser):
    """What a page loads, what it links to, and where it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: defaultdict[str, int] = defaultdict(int)
        self.feed(path.read_text())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors[value] += 1
            elif name in LOADING or (tag in {"link", "use", "image"} and name == "href"):
                self.loads.append(value or "")
            elif tag == "a" and name == "href":
                self.links.append(value or "")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    """No font, style, script or picture in a page or a style sheet has a host in its address."""
    foreign = {
        str(path.relative_to(site)): [address for address in page.loads if ABSOLUTE.match(address)]
        for path, page in pages.items()
    }
    sheets = [*site.rglob("*.css"), *site.rglob("*.svg"), *site.rglob("*.html")]
    for sheet in sheets:
        foreign[f"{sheet.name}: url()"] = LOADED_BY_CSS.findall(sheet.read_text())
    assert sheets
    assert sum(len(page.loads) for page in pages.values()) > len(pages)
    assert {name: found for name, found in foreign.items() if found} == {}


def test_every_link_leads_to_a_page_and_an_anchor(site: Path, pages: dict[Path, Page]) -> None:
    """Also those in the navigation and the reference, which are not in the sources."""
    dead = []
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].anchors if target in pages else {}
            known = not parts.fragment or unquote(parts.fragment) in anchors
            if not target.is_file() or not known or not target.is_relative_to(site):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []


def test_every_public_name_is_in_the_reference(pages: dict[Path, Page]) -> None:
    """A name can be linked to by its module's name and its own, on exactly one page."""
    top = socialfetch_async.__all__
    public = [
        f"{module.__name__}.{name}"
        for module in (socialfetch_async, batch, cluster, emulator, export, journal, web)
        for name in module.__all__
        if name != "__version__" and (module is socialfetch_async or name not in top)
    ]
    assert len(public) > 80
    places = {name: sum(page.anchors[name] for page in pages.values()) for name in public}
    assert {name: places[name] for name in public if places[name] != 1} == {}


def test_every_page_is_there_as_markdown_too(site: Path, pages: dict[Path, Page]) -> None:
    """With what it includes and the whole reference, and with a line in llms.txt."""
    texts = {
        str(path.relative_to(site)): path.with_suffix(".md").read_text()
        for path in pages
        if path.name != "404.html"
    }
    assert [name for name, text in texts.items() if "\n:::" in text or "--8<--" in text] == []
    assert "iter_followers(\n    handle" in texts["reference/client.html"]
    assert socialfetch_async.__version__ in texts["changelog.html"]
    index = re.findall(r"^- \[.+\]\((.+)\): .+$", (site / "llms.txt").read_text(), re.MULTILINE)
    assert sorted(index) == sorted(name.replace(".html", ".md") for name in texts)


def test_every_page_leads_to_the_version_and_the_changelog(pages: dict[Path, Page]) -> None:
    """One click from anywhere."""
    version = f">Version {socialfetch_async.__version__}</a>"
    assert [path.name for path in pages if version not in path.read_text()] == []


def test_a_long_signature_has_a_parameter_a_line(site: Path) -> None:
    """It can be read in a narrow window."""
    html = (site / "reference" / "client.html").read_text()
    shown = unescape(re.sub(r"<[^>]+>", "", html))
    assert "\n    max_concurrency: int = 50,\n    timeout: float = 30.0,\n" in shown

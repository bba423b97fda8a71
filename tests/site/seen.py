"""The site in a real browser: wide and narrow, light and dark, with nobody else to talk to."""

import asyncio
from pathlib import Path

import pytest

from tests.browser import OVERFLOW, browser

PAPER = """
(() => {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
  return .2126 * r + .7152 * g + .0722 * b;
})()
"""
# The search stands in a shadow tree.
_DIALOG = "[...document.querySelectorAll('*')].find(element => element.shadowRoot)?.shadowRoot"
FOCUSED = f"{_DIALOG}?.activeElement?.tagName === 'INPUT'"
FOUND = f"[...{_DIALOG}.querySelectorAll('a')].map(link => link.href.split('#')[0].split('?')[0])"

# What people type, and the page that answers it.
ANSWERS = {
    "resume": "resume",
    "limit spending": "limits",
    "cost": "limits",
    "refresh": "refresh",
    "incremental": "refresh",
    "DataFrame": "dataframes",
    "notebook": "notebooks",
    "FastAPI": "web",
    "proxy": "proxies",
    "tests": "testing",
}


def names(site: Path) -> list[str]:
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))


@pytest.mark.browser
@pytest.mark.timeout(300)  # twice fifty pages, also on a busy machine
@pytest.mark.parametrize("look", [("light", 1400, (200, 256)), ("dark", 400, (0, 60))])
async def test_every_page_is_in_order(
    site: Path, address: str, tmp_path: Path, look: tuple[str, int, tuple[int, int]]
) -> None:
    """It fits its window, complains about nothing, and requests nothing from other servers."""
    scheme, width, (darkest, lightest) = look
    pages = names(site)
    wide = {}
    async with browser(tmp_path) as tab:
        for page in pages:
            await tab.show(f"{address}/{page}", width=width, scheme=scheme)
            if (over := await tab.value(OVERFLOW)) > 0:
                wide[page] = over
        paper = await tab.value(PAPER)
    assert wide == {}
    assert darkest <= paper < lightest
    assert len(tab.requests) >= len(pages)
    foreign = [url for url in tab.requests if not url.startswith((f"{address}/", "data:", "blob:"))]
    assert foreign == []
    assert tab.complaints == []


@pytest.mark.browser
@pytest.mark.timeout(300)
async def test_the_search_finds_without_a_network(address: str, tmp_path: Path) -> None:
    """What people type leads first to the page that answers it."""
    found = {}
    async with browser(tmp_path) as tab, asyncio.timeout(250):
        for typed in ANSWERS:
            await tab.show(f"{address}/index.html")
            await tab.value("document.querySelector('.md-search__button').click()")
            while not await tab.value(FOCUSED):
                await asyncio.sleep(0.02)
            await tab.call("Input.insertText", text=typed)
            while not (pages := await tab.value(FOUND)):
                await asyncio.sleep(0.02)
            found[typed] = pages[0].removeprefix(f"{address}/").removesuffix(".html")
    assert found == ANSWERS
    assert [url for url in tab.requests if not url.startswith((f"{address}/", "data:"))] == []
    assert tab.complaints == []


@pytest.mark.browser
async def test_a_copied_command_has_no_prompt(address: str, tmp_path: Path) -> None:
    """What the copy button takes can be pasted into a shell."""
    async with browser(tmp_path) as tab:
        await tab.show(f"{address}/install.html")
        # The button marks the code, and takes the text that is then shown.
        copied = await tab.value(
            "(code => { code.dataset.mdCopying = ''; return code.innerText })"
            "(document.querySelector('.language-console code'))"
        )
    assert copied.startswith("python3 -m venv .venv\n. .venv/bin/activate\n")
    assert "$" not in copied

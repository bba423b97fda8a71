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


# Pixels and colours of a window, and how light the paper is in it at least and at most.
LOOKS = [(1400, "light", 200, 256), (400, "dark", 0, 60)]


@pytest.mark.browser
@pytest.mark.timeout(600)  # fifty pages, also on a busy machine
async def test_every_page_is_in_order(site: Path, address: str, tmp_path: Path) -> None:
    """It fits its window, complains about nothing, and requests nothing from other servers."""
    pages = names(site)
    wide: dict[tuple[str, int], int] = {}
    wrong: list[tuple[str, str]] = []
    async with browser(tmp_path) as tab:
        for page in pages:
            await tab.show(f"{address}/{page}", width=LOOKS[0][0], scheme=LOOKS[0][1])
            for width, scheme, least, most in LOOKS:
                await tab.look(width, scheme)
                if (over := await tab.value(OVERFLOW)) > 0:
                    wide[page, width] = over
                # The page hears of the new scheme when it has its turn.
                for _ in range(100):
                    if least <= await tab.value(PAPER) <= most:
                        break
                    await asyncio.sleep(0.05)
                else:
                    wrong.append((page, scheme))
    assert (wide, wrong) == ({}, [])
    assert len(tab.requests) >= len(pages)
    foreign = [url for url in tab.requests if not url.startswith((f"{address}/", "data:", "blob:"))]
    assert foreign == []
    assert tab.complaints == []


@pytest.mark.browser
@pytest.mark.timeout(600)
async def test_the_search_finds_without_a_network(address: str, tmp_path: Path) -> None:
    """What people type leads first to the page that answers it."""
    found = {}
    async with browser(tmp_path) as tab, asyncio.timeout(500):
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

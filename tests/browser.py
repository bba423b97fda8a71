"""A real browser, asked over its debugging protocol what a page looks like and what it does."""

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)

# Pixels by which a page is wider than its window.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# For every text: how it stands out from what is painted behind it (WCAG 2, 1.4.3).
CONTRASTS = """
(() => {
  const light = c => { c /= 255; return c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4 };
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("svg")) continue;
    let behind = element, paper = [0, 0, 0, 0];
    while (behind && (paper = parts(getComputedStyle(behind).backgroundColor))[3] === 0)
      behind = behind.parentElement;
    const ink = parts(getComputedStyle(element).color);
    const pair = [ink, paper].map(luminance).sort((a, b) => b - a);
    found[element.tagName + "." + element.className] = (pair[0] + .05) / (pair[1] + .05);
  }
  return found;
})()
"""


class Tab:
    """One tab of the browser.

    Attributes:
        requests: Every address that was asked for.
        complaints: What the console has, policy violations included.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._loaded = False
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def open(self) -> None:
        """Make the tab, and listen to what happens in it."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            await self.call(f"{domain}.enable")

    async def call(self, method: str, **params: Any) -> Any:
        """Send a command and wait for its answer."""
        number = next(self._numbers)
        session = {} if self._session is None else {"sessionId": self._session}
        await self._socket.send_json({"id": number, "method": method, "params": params} | session)
        while (answer := await self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    async def look(self, width: int, scheme: str) -> None:
        """Give the window so many CSS pixels, and light or dark colours."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        await self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    async def show(self, page: Path | str, *, width: int = 1280, scheme: str = "light") -> None:
        """Load a file, or an address, into a window of so many CSS pixels."""
        self._loaded = False
        await self.look(width, scheme)
        await self.call("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        while not self._loaded:
            await self._next()

    async def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript is worth in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            message: dict[str, Any] = await self._socket.receive_json()
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(str(params))
            case "Page.loadEventFired":
                self._loaded = True
        return message


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Tab]:
    """Start Chromium with a new profile in a folder; yield a tab."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not on PATH: apt-get install -y chromium")
    process = await asyncio.create_subprocess_exec(
        chromium, *FLAGS, f"--user-data-dir={folder}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while not (line := await process.stderr.readline()).startswith(b"DevTools listening"):
                assert line, "chromium ended before it listened"
        address = line.split()[-1].decode()
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            tab = Tab(socket)
            await tab.open()
            yield tab
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()

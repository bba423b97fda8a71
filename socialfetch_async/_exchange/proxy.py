"""The proxy of a client: where it is, and how the client shows it who it is."""

from base64 import b64encode
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from yarl import URL

from socialfetch_async._exchange.secret import Secret


class Proxy(NamedTuple):
    """A proxy, its password apart from its address, which aiohttp's own errors show.

    Attributes:
        url: Its address, without a user name and password.
        headers: For the proxy alone: who the client is, if the proxy wants to know.
    """

    url: URL
    headers: dict[str, str]

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return f"{self.url.host}:{self.url.port}"

    @classmethod
    def of(cls, url: str) -> Self:
        """Take an address apart that was checked."""
        scheme, place = url.partition("://")[0], url.rpartition("@")[2].rpartition("://")[2]
        address = URL(f"{scheme}://{place}")
        return cls(address, {"Proxy-Authorization": _basic(url)} if "@" in url else {})


def _basic(url: str) -> Secret:
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Secret(f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}")

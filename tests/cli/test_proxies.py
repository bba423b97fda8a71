"""The proxy that the environment names: curl's rules, and a real one."""

import pytest

from socialfetch_async.cli.proxies import is_excepted, proxy_for
from socialfetch_async.emulator import Emulator
from tests.commands import KEY, run
from tests.proxies import Proxy

API = "https://api.socialfetch.dev"
P, Q = "http://p.example:1", "http://q.example:2"


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (API, {}, None),
        (API, {"HTTPS_PROXY": P}, P),
        (API, {"https_proxy": P, "HTTPS_PROXY": Q}, P),
        (API, {"https_proxy": "", "HTTPS_PROXY": Q}, Q),
        (API, {"ALL_PROXY": P}, P),
        (API, {"all_proxy": P, "ALL_PROXY": Q}, P),
        (API, {"ALL_PROXY": P, "HTTPS_PROXY": Q}, Q),
        (API, {"HTTPS_PROXY": "p.example:1"}, P),
        (API, {"HTTPS_PROXY": "u:pw@p.example:1"}, "http://u:pw@p.example:1"),
        (API, {"HTTP_PROXY": P, "http_proxy": P}, None),
        (API, {"HTTPS_PROXY": P, "NO_PROXY": "socialfetch.dev"}, None),
        (API, {"HTTPS_PROXY": P, "no_proxy": "other.example", "NO_PROXY": "*"}, P),
        ("http://127.0.0.1:8765", {"HTTPS_PROXY": P}, None),
        ("http://127.0.0.1:8765", {"ALL_PROXY": P}, P),
        ("http://127.0.0.1:8765", {"ALL_PROXY": P, "NO_PROXY": "127.0.0.0/8"}, None),
    ],
)
def test_which_variable_counts(url: str, environment: dict[str, str], proxy: str | None) -> None:
    """The scheme's own first, in lower case first; an empty one is not set."""
    assert proxy_for(url, environment) == proxy


@pytest.mark.parametrize(
    ("host", "no_proxy", "excepted"),
    [
        ("api.socialfetch.dev", "", False),
        ("api.socialfetch.dev", "*", True),
        ("api.socialfetch.dev", " * ", True),
        ("api.socialfetch.dev", "*.socialfetch.dev", False),
        ("api.socialfetch.dev", "socialfetch.dev", True),
        ("api.socialfetch.dev", ".socialfetch.dev", True),
        ("api.socialfetch.dev", "SocialFetch.DEV.", True),
        ("api.socialfetch.dev", "api.socialfetch.dev", True),
        ("api.socialfetch.dev", "a.example, socialfetch.dev", True),
        ("api.socialfetch.dev", "a.example socialfetch.dev", True),
        ("api.socialfetch.dev", "fetch.dev", False),
        ("api.socialfetch.dev", "dev", True),
        ("api.socialfetch.dev", "api", False),
        ("api.socialfetch.dev", ",.,", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "10.0.0.0/8", False),
        ("127.0.0.1", "0.0.1", False),
        ("::1", "[::1]", True),
        ("::1", "::1/128,x", True),
    ],
)
def test_no_proxy_is_curls(host: str, no_proxy: str, excepted: object) -> None:
    """A host, its domains, networks in CIDR notation; `*` is for all and stands alone."""
    assert is_excepted(host, no_proxy) is excepted


async def test_the_command_uses_the_proxy() -> None:
    """Every request goes through it; NO_PROXY keeps them away from it."""
    async with Emulator({"ada": 3}, api_keys=[KEY]) as api, Proxy("user:secret-word") as proxy:
        url = f"http://user:secret-word@{proxy.name}"
        done = await run(api, "followers", "ada", ALL_PROXY=url)
        assert (done.code, len(done.rows), len(proxy.heads)) == (0, 3, 1)
        done = await run(api, "balance", ALL_PROXY=url, NO_PROXY="127.0.0.1")
        assert (done.code, len(proxy.heads)) == (0, 1)


@pytest.mark.parametrize("url", ["socks5://u:secret-word@h:1", "u:secret-word@h", "http://[:1"])
async def test_a_proxy_that_is_not_valid(url: str) -> None:
    """2, with the name of the variable and without its value."""
    done = await run(None, "balance", HTTPS_PROXY=url)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("socialfetch: HTTPS_PROXY: proxy must be http://[user:password@]")
    assert "secret-word" not in done.err

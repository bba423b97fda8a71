"""Which proxy the environment names for a URL, by curl's rules. Pure."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from socialfetch_async import _arguments as arguments


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for an API, or None.

    `https_proxy` or HTTPS_PROXY is for https; `all_proxy` or ALL_PROXY is used if that is unset;
    `no_proxy` or NO_PROXY lists the hosts that are reached without one.

    Raises:
        ValueError: The variable is not a proxy's URL; its value is in no message.
    """
    parts = urlsplit(url)
    names = ["https_proxy", "HTTPS_PROXY"] if parts.scheme == "https" else []
    name = _first([*names, "all_proxy", "ALL_PROXY"], environment)
    excepted = _first(["no_proxy", "NO_PROXY"], environment)
    if name is None or (excepted and is_excepted(parts.hostname or "", environment[excepted])):
        return None
    proxy = environment[name]
    try:
        return arguments.proxy(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError as error:
        # Its context would show the value, with the password in it.
        text = f"{name}: {error}"
    raise ValueError(text)


def _first(names: list[str], environment: Mapping[str, str]) -> str | None:
    """Return the first of the variables that is set and not empty."""
    return next((name for name in names if environment.get(name)), None)


def is_excepted(host: str, no_proxy: str) -> bool:
    """Whether a NO_PROXY list names a host: itself, its domain, or a network of its address.

    `*` alone is every host. Entries are separated by commas or spaces; a leading dot, a trailing
    dot and the case of letters do not matter.
    """
    if no_proxy.strip() == "*":
        return True
    entries = no_proxy.replace(",", " ").split()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().rstrip(".")
        domains = (entry.lower().strip(".") for entry in entries)
        return any(domain and f".{name}".endswith(f".{domain}") for domain in domains)
    return any(_holds(entry, address) for entry in entries)


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry.replace("[", "").replace("]", ""), False)
    except ValueError:
        return False

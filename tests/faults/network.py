"""Hosts on this machine: network namespaces on a bridge that is in one as well.

Nothing of them touches the network of the machine. They need Linux, root and iproute2.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

_NETWORK: Final = "10.213.86"  # nothing outside the namespaces can reach it
_BLOCKED, _FORWARDING = "0", "3"  # states of a port of a bridge


class NoNamespacesError(Exception):
    """Network namespaces are not to be had here, and why."""


class Network:
    """Hosts with addresses of their own: `with Network(["one", "two"]) as network:`.

    Its namespaces are named after this process, and are gone with the block.

    Args:
        hosts: Their names, of at most eight letters.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = {host: f"{_NETWORK}.{number}" for number, host in enumerate(hosts, 1)}
        self._made: list[str] = []

    def __enter__(self) -> Self:
        if sys.platform != "linux" or os.geteuid() or shutil.which("ip") is None:
            raise NoNamespacesError("they need Linux, root and iproute2 (`ip`, `bridge`)")
        try:
            self._build()
        except subprocess.CalledProcessError as error:
            self.__exit__(None, None, None)
            said = error.stderr.decode().strip()
            raise NoNamespacesError(f"`{' '.join(error.cmd)}` failed: {said}") from None
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in reversed(self._made):
            subprocess.run(["ip", "netns", "del", name], check=False)

    def _build(self) -> None:
        bridge = self._namespace("bridge")
        _run("ip", "-n", bridge, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", bridge, "link", "set", "bridge", "up")
        for host, address in self._hosts.items():
            name = self._namespace(host)
            # Of the two ends of its link, one is a port of the bridge.
            ends = ("name", host, "type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "-n", bridge, "link", "add", *ends)
            _run("ip", "-n", bridge, "link", "set", "dev", host, "master", "bridge", "up")
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _run("ip", "-n", name, "link", "set", device, "up")

    def _namespace(self, host: str) -> str:
        name = self._name(host)
        _run("ip", "netns", "add", name)
        self._made.append(name)
        return name

    def _name(self, host: str) -> str:
        return f"socialfetch-{os.getpid()}-{host}"

    def address(self, host: str) -> str:
        """Return the address of a host."""
        return self._hosts[host]

    def on(self, host: str, *command: str) -> list[str]:
        """Return what runs a command on a host."""
        return ["ip", "netns", "exec", self._name(host), *command]

    def cut(self, host: str) -> None:
        """Lose everything that goes to a host, or comes from there, from now on."""
        self._set(host, _BLOCKED)

    def mend(self, host: str) -> None:
        """Let it through again."""
        self._set(host, _FORWARDING)

    def _set(self, host: str, state: str) -> None:
        _run("bridge", "-n", self._name("bridge"), "link", "set", "dev", host, "state", state)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)

"""nginx and haproxy, as a test starts, reloads, restarts and kills them."""

import asyncio
import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

_SECONDS: Final = 10.0

_NGINX: Final = """\
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_read_timeout 1s;
      proxy_next_upstream off;
    }}
  }}
}}
"""
_HAPROXY: Final = """\
global
  maxconn 512
  hard-stop-after 2s
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 1s
frontend front
  bind 127.0.0.1:{port}
  default_backend api
backend api
  server api 127.0.0.1:{upstream}
"""


class Gateway:
    """A gateway in a process group of its own, on a port that it keeps."""

    name: ClassVar[str]
    package: ClassVar[str]
    configuration: ClassVar[str]
    reload_signal: ClassVar[signal.Signals]

    def __init__(self, folder: Path, upstream: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self._port}"
        self._file = folder / f"{self.name}.conf"
        # As root, nginx would have its workers run as somebody who may not enter the folder.
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        text = self.configuration.format(
            folder=folder, port=self._port, upstream=upstream, user=user
        )
        self._file.write_text(text, encoding="ascii")
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def program(cls) -> str | None:
        """Return where it is; Debian's is not on everybody's PATH."""
        return shutil.which(cls.name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _spawn(self) -> "subprocess.Popen[bytes]":
        self._process = subprocess.Popen(
            self._command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self._process

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        process = self._spawn()
        async with asyncio.timeout(_SECONDS):
            while not await self._listens():
                if process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended: {' '.join(self._command())}")
                await asyncio.sleep(0.01)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def reload(self) -> None:
        """Let new workers serve; those that are at work finish."""
        assert self._process is not None
        self._process.send_signal(self.reload_signal)

    async def restart(self) -> None:
        """Stop it as a service is stopped, and start it."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(_SECONDS):
            while self._process.poll() is None:
                await asyncio.sleep(0.01)
        self.kill()  # workers that are still at work
        await asyncio.sleep(0.3)
        await self.start()

    async def die(self) -> None:
        """Kill it, and start it a second later."""
        self.kill()
        await asyncio.sleep(1.0)
        await self.start()

    def kill(self) -> None:
        """Kill all of its processes at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_SECONDS)


class Nginx(Gateway):
    """nginx, which as configured here sends each request once."""

    name = "nginx"
    package = "nginx-light"
    configuration = _NGINX
    reload_signal = signal.SIGHUP

    def _command(self) -> list[str]:
        return [self.program() or self.name, "-e", "/dev/null", "-c", str(self._file)]


class Haproxy(Gateway):
    """haproxy, with a master that can reload."""

    name = "haproxy"
    package = "haproxy"
    configuration = _HAPROXY
    reload_signal = signal.SIGUSR2

    def _command(self) -> list[str]:
        return [self.program() or self.name, "-W", "-f", str(self._file)]


GATEWAYS: Final[tuple[type[Gateway], ...]] = (Nginx, Haproxy)


@contextmanager
def killed_at_the_end(gateway: Gateway) -> Iterator[Gateway]:
    """Leave no process of a gateway behind."""
    try:
        yield gateway
    finally:
        gateway.kill()

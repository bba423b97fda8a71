"""Runs commands in forks of a process that has loaded the whole package.

A fork takes milliseconds; a new interpreter with aiohttp takes half a second of the processor. What
a command does with its pipes, its exit code and its environment is the same in both.
"""

import gc
import json
import os
import socket
import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import NoReturn

from socialfetch_async import cli


def serve(channel: socket.socket) -> None:
    """Run the commands that come, each with its stdin, stdout, stderr and a pipe for its end."""
    for module in iter_modules(cli.__path__, f"{cli.__name__}."):
        import_module(module.name)
    gc.freeze()
    while True:
        request, fds, _, _ = socket.recv_fds(channel, 1 << 20, 4)
        if not request:
            return
        starter = os.fork()
        if not starter:
            channel.close()
            _start(json.loads(request), fds)
        for fd in fds:
            os.close(fd)
        os.waitpid(starter, 0)


def _start(request: tuple[list[str], dict[str, str], str | None], fds: list[int]) -> NoReturn:
    """Fork the command from a process that ends first, and one that reports how it ended."""
    if os.fork():
        os._exit(0)
    command = os.fork()
    if command:
        _report(command, fds)
    *streams, end = fds
    os.close(end)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    arguments, environment, folder = request
    os.environ.clear()
    os.environ.update(environment)
    if folder is not None:
        os.chdir(folder)
    sys.argv = ["socialfetch", *arguments]
    cli.main()
    sys.exit()


def _report(command: int, fds: list[int]) -> NoReturn:
    *streams, end = fds
    for fd in streams:
        os.close(fd)
    os.write(end, b"%d\n" % command)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    os.write(end, b"%d\n" % code)
    os._exit(0)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        serve(given)

"""The API on a host of its own: the emulator behind TLS, on an address of its own.

    python -m tests.faults.hosts_api ADDRESS PORT CHAIN.pem KEY-OF-THE-API

Prints a line when it can be used. Then each line on stdin, `{"handle": size, ...}`, adds profiles,
and is answered with what was charged for them until then: `{"charged": ..., "pages": ...}`. It
ends when its stdin does.
"""

import asyncio
import json
import ssl
import sys
from asyncio import StreamReader, StreamWriter
from typing import Any

from socialfetch_async.emulator import Emulator
from tests.faults.kills import PAGE


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def _serve(address: str, port: int, chain: str, key: str) -> None:
    async with Emulator({}, page_size=PAGE, latency=0.05, api_keys=[key]) as api:
        inside = int(api.base_url.rpartition(":")[2])

        async def relay(reader: StreamReader, writer: StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", inside)
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain)
        async with await asyncio.start_server(relay, address, port, ssl=context):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            while line := await asyncio.to_thread(sys.stdin.readline):
                sys.stdout.write(json.dumps(_ordered(api, json.loads(line))) + "\n")
                sys.stdout.flush()


def _ordered(api: Emulator, profiles: dict[str, int | str]) -> dict[str, Any]:
    charged = [one for one in api.charges if one.handle in profiles]
    if not charged:
        for handle, size in profiles.items():
            api.profile(handle, size)
    return {"charged": len(charged), "pages": len({(one.handle, one.cursor) for one in charged})}


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))

"""What to ask, what an answer means, how long to wait, what may be spent: no I/O, no clock.

Nothing in here imports asyncio, aiohttp, time, socket, pathlib or random; the linter holds that.
"""

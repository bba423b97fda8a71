"""`python -m socialfetch_async` is `socialfetch`."""

from socialfetch_async.cli import main

main()

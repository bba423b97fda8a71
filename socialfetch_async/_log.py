"""The library's logger. It is silent until a program configures logging."""

import logging
from typing import Final

logger: Final = logging.getLogger("socialfetch_async")
logger.addHandler(logging.NullHandler())

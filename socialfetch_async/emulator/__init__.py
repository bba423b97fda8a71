"""The documented API on this machine: profiles of any size, credits, and faults on order.

It imports nothing else of this package: it is written from the vendor's page and not from the
client, so that the two can contradict each other.
"""

from socialfetch_async.emulator.account import Charge
from socialfetch_async.emulator.faults import FAULTS, Fault
from socialfetch_async.emulator.profiles import Profile
from socialfetch_async.emulator.server import Emulator, Received

__all__ = ["FAULTS", "Charge", "Emulator", "Fault", "Profile", "Received"]

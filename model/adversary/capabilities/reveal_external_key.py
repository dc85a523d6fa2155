"""The external pre-shared key of the honest ends is lost, at some moment (RFC 8446 E.1, 2.3).

Both ends have the same key, so a leak by the server alone is enough.
"""

from model.adversary.capabilities import Leak
from model.rule import Message
from model.schedule import EXTERNAL

SUMMARY = "get the external pre-shared key of the honest ends, at some moment"

LEAK = Leak(Message("ExternalKey", {}, "8446 E.1"), ("server",), EXTERNAL)

"""Collide SHA-1 and MD5: a signature of such a hash is one of another text, too (SLOTH; RFC 9155).

The adversary chooses a part of the text that an end signs, and finds another text with the same
hash. The loss is that of a signature: from then on the adversary has one with SHA-1 by that end for
any text. That is more than a collision gives, and finding it takes no time.
"""

from model.adversary.capabilities import Leak
from model.expr import BOOL, var
from model.rule import Message
from model.schedule import COLLISION

SUMMARY = "find another text that fits a signature with SHA-1 or MD5"

LEAK = Leak(
    Message("Collision", {}, "9155 1"),
    ("client", "server"),
    COLLISION,
    when=dict.fromkeys(("client", "server"), var("own.signed_sha1", BOOL)),
)

"""The fallback signalling suite value, TLS_FALLBACK_SCSV (RFC 7507).

1. A client that retries below its highest version sends the value.   4
2. A server that knows a higher version than the one offered refuses   3
   such a hello with inappropriate_fallback, whatever else is wrong
   with the hello, and whether or not it asks for a session.
"""

from __future__ import annotations

from model.expr import BOOL
from model.extensions import Amend, Extension, takes
from model.generations.negotiation import offered
from model.principal import server
from model.role import Role
from model.rule import Fields, Rule, Variable, check

VARIABLES = {
    "client": {
        # Configuration: this hello is a retry below the client's highest version.
        "fallback": Variable(BOOL, (False,)),
    },
    "server": {},
}
FIELDS = {"fallback_scsv": BOOL}
own = Fields("the client", "own", {n: v.domain for n, v in VARIABLES["client"].items()})
hello = Fields("ClientHello", "msg", FIELDS)

_appropriate = check(
    "fallback", ~hello.fallback_scsv | (server.max_version <= offered), "inappropriate_fallback"
)


def _every(role: Role, rule: Rule) -> Amend | None:
    # A hello that leads to TLS 1.3 offers the highest version there is.
    return Amend("", first=(_appropriate,)) if takes(role, rule, "ClientHello", "tls12") else None


EXTENSION = Extension(
    "fallback",
    "7507",
    "the fallback signalling suite value",
    variables=VARIABLES,
    fields={"ClientHello": FIELDS},
    sends={"client": {"ClientHello": {"fallback_scsv": own.fallback}}},
    every=_every,
)

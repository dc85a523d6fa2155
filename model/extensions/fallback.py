"""The fallback signalling suite value, TLS_FALLBACK_SCSV (RFC 7507).

1. A client that retries below its highest version sends the value.   4
2. A server that knows a higher version than the one offered refuses   3
   such a hello with inappropriate_fallback.
"""

from __future__ import annotations

from model.expr import BOOL
from model.extensions import Amend, Extension
from model.generations.negotiation import offered
from model.principal import server
from model.rule import Fields, Variable, check

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

EXTENSION = Extension(
    "fallback",
    "7507",
    "the fallback signalling suite value",
    variables=VARIABLES,
    fields={"ClientHello": FIELDS},
    sends={"client": {"ClientHello": {"fallback_scsv": own.fallback}}},
    amends=(Amend("server_receive_client_hello_START_to_SEND_SH", checks=(_appropriate,)),),
)

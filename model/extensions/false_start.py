"""False Start: a client's data before the server's Finished (RFC 7918).

After its own Finished, in a full handshake, a client may send data at once if                   4
1. the user wants False Start (configuration);
2. the cipher is strong, and the version the highest that the client knows;                      5.1
3. the key exchange is DHE or ECDHE, with good parameters;                                       5.2
4. the client did not show a certificate.                                                        5.3

A server accepts the data after verifying the client's Finished, perhaps before sending its own. The
data is secret if the server is honest, since the server's signature covers the parameters and both
randoms. Suite and version are not proved yet, hence the conditions.
"""

from __future__ import annotations

from model.expr import BOOL, conj, const, eq
from model.extensions import Extension
from model.message import ApplicationData
from model.principal import client, server
from model.rule import SAME, Fields, Variable, receive, send

VARIABLES = {
    "client": {
        # Configuration: whether the client uses False Start.
        "false_starts": Variable(BOOL, (False,)),
        "started_early": Variable(BOOL, (False,)),
    }
}
own = Fields("the client", "own", {n: v.domain for n, v in VARIABLES["client"].items()})

STRONG = conj(
    ~client.null_cipher,
    eq(client.version, client.max_version),
    client.suite.one_of("DHE", "ECDHE"),
    client.group.one_of("dh", "ecdh"),
    client.client_certificate.one_of("none", "empty"),
)
"""The conditions on the handshake, over a client's variables."""

EXTENSION = Extension(
    "false_start",
    "7918",
    "a client's data before the server's Finished",
    variables=VARIABLES,
    rows=(
        send(
            "client", ApplicationData, ("WAIT_CCS", "WAIT_FIN"), SAME, rfc="7918 4, 5",
            when=conj(own.false_starts, client.sends_data, STRONG),
            do={"sent_data": const(True), "started_early": const(True)},
        ),
        receive(
            "server", ApplicationData, ("SEND_CCS", "SEND_FIN"), SAME, rfc="7918 4",
            when=server.verified, do={"delivered": const(True)},
        ),
    ),
)

"""Renegotiation in TLS 1.0 to 1.2: a handshake on a connection that has one (RFC 5246 7.4.1.1,
7.4.1.2).

A run with `renegotiating` is on the connection of the previous handshake: until the run's own
ChangeCipherSpec, messages are under the previous handshake's keys.

1. The server may ask for a renegotiation by HelloRequest, which is in no        7.4.1.1
   transcript. A client in a handshake ignores that message.
2. A ClientHello on a connection in use begins the new handshake, or is refused  7.2.2
   with the warning no_renegotiation.
3. Application data under the old keys may come in between.                      7.1
4. TLS 1.3 is neither renegotiated nor chosen in a renegotiation.                8446 4.1.2, 4.1.3

Without RFC 5746 nothing binds the new handshake to the old one.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, ite, var
from model.extensions import Amend, Extension
from model.generations.negotiation import version
from model.message import ApplicationData, ClientHello
from model.observers import UNDER
from model.principal import STATES, Version, client, server
from model.role import Observer
from model.rule import SAME, Fields, Message, Rule, Variable, check, receive, send

HelloRequest = Message("HelloRequest", {}, "5246 7.4.1.1", before_hello=True)

_SHARED = {
    # Configuration: the run is a further handshake on the previous one's connection; data under
    # the old keys comes in between.
    "renegotiating": Variable(BOOL, (False,)),
    "interleaves": Variable(BOOL, (False,)),
    # Data was delivered under the old keys; observed: data in the handshake under any others.
    "old_data": Variable(BOOL, (False,)),
    "late_data": Variable(BOOL, (False,)),
}
VARIABLES = {
    # Observed: a HelloRequest was taken in TLS 1.3.
    "client": {"asked_in_tls13": Variable(BOOL, (False,)), **_SHARED},
    # Configuration: the server asks for a renegotiation.
    "server": {"asks_renegotiation": Variable(BOOL, (False,)), **_SHARED},
}
own = Fields("the run", "own", {n: v.domain for n, v in VARIABLES["server"].items()})
prev = Fields("the handshake before", "prev", {"version": Version})

_QUIET = {
    "client": tuple(s for s in ("WAIT_SH", *STATES["client"][2:13]) if s != "WAIT_FIN"),
    "server": tuple(s for s in STATES["server"][1:13] if s.startswith("WAIT_")),
}
"""By role: the states in which data and HelloRequest may come, up to ChangeCipherSpec."""


def _data(role: str, fields: Fields) -> Rule:
    return receive(
        role, ApplicationData, tuple(s for s in _QUIET[role] if s.startswith("WAIT_")), SAME,
        rfc="5246 7.1, 10",
        when=own.renegotiating & own.interleaves & (fields.read_key == "previous"),
        do={"old_data": TRUE}, label=f"{role}_receive_application_data_under_old_keys",
    )


ROWS = (
    send("server", HelloRequest, "CONNECTED", SAME, rfc="5246 7.4.1.1",
         when=own.asks_renegotiation & (server.version <= "TLS12")),
    receive("client", HelloRequest, (*_QUIET["client"], "CONNECTED", "CLOSING"), SAME,
            rfc="5246 7.4.1.1", when=client.version <= "TLS12",
            label="client_receive_hello_request_ignored"),
    receive("server", ClientHello, ("CONNECTED", "CLOSING"), SAME, rfc="5246 7.2.2",
            when=server.version <= "TLS12", label="server_receive_client_hello_no_renegotiation"),
    _data("client", client),
    _data("server", server),
)

_of_13 = own.renegotiating & (version == "TLS13")
_late = var("own.late_data", BOOL) | (
    var("own.renegotiating", BOOL) & ~client.verified & (UNDER != "previous")
)

EXTENSION = Extension(
    "renegotiation",
    "5246 7.4.1.1",
    "another handshake on the same connection",
    variables=VARIABLES,
    messages=(HelloRequest,),
    sends={"server": {"HelloRequest": {}}},
    rows=ROWS,
    amends=(
        # On a connection that has keys no record in the clear is due (RFC 8446 5).
        Amend("client_receive_change_cipher_spec_WAIT_SH_to_SAME", when=~own.renegotiating),
        *(
            Amend(f"client_receive_{row}", of=of,
                  checks=(check("no TLS 1.3 in a renegotiation", ~own.renegotiating,
                                "protocol_version"),))
            for row, of in (("server_hello_WAIT_SH_to_WAIT_EE", ""), ("server_hello_psk", "psk"),
                            ("hello_retry_request_WAIT_SH_to_SEND_CH", "retry"))
        ),
        Amend("server_receive_client_hello_START_to_SEND_SH", also=_of_13,
              instead={"version": ite(_of_13, prev.version, version)}),
        *(
            Amend(f"server_receive_client_hello_{row}", of=of, when=~own.renegotiating)
            for row, of in (("START_to_NEGOTIATED", ""), ("psk", "psk"),
                            ("START_to_SEND_HRR", "retry"))
        ),
    ),
    observers={
        "client": (
            Observer("late_data", "receive", "ApplicationData", _late),
            Observer("asked_in_tls13", "receive", "HelloRequest", client.version == "TLS13"),
        ),
        "server": (Observer("late_data", "receive", "ApplicationData", _late),),
    },
    again={"client": {"HelloRequest": TRUE}, "server": {"ClientHello": server.verified}},
)

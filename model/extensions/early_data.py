"""Early data of TLS 1.3, 0-RTT (RFC 8446): data under a key that the client has before any answer.

1. A client that offers a pre-shared key may ask to send data at once,     2.3, 4.2.10
   under a key made of that key and the hello.
2. A server that selects the key may accept, in EncryptedExtensions, and   4.2.10, A.2
   reads the data, then EndOfEarlyData, then changes to the handshake key.
3. A server that does not accept skips records that it cannot read, up to  4.2.10
   a limit, until the first readable one.
4. A client whose early data is accepted sends EndOfEarlyData before its   4.5, 4.4.1
   flight; otherwise the data is lost and no EndOfEarlyData is sent. The
   message is under the client's Finished, not under the server's.
5. A server may remember the hellos whose early data it accepted, and      8
   accepts no early data from the same hello again.

One record stands for all of a client's early data. Records are numbered, so EndOfEarlyData does not
decrypt if the data before was left out. If servers share a record of hellos, a later run belongs to
the same server as the previous one.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Domain, Expr, conj, const, eq, ite, mapping, var
from model.extensions import Amend, Extension, takes
from model.extensions.ignored_records import Count as UpToTwo
from model.extensions.ignored_records import one_more
from model.extensions.psk import SESSION_FIELDS, Psk, client_binder, kept, offered
from model.extensions.psk import client as psk_client
from model.extensions.psk import server as psk_server
from model.generations.negotiation import ch
from model.message import Finished, UndecryptableRecord
from model.observers import UNDER, after, held, keeps, latch, saw
from model.principal import ClientOwner, Key
from model.principal import client as base_client
from model.principal import server as base_server
from model.role import Observer, Role
from model.rule import SAME, Fields, Message, Rule, Variable, check, receive, send, snake
from model.schedule import EXTERNAL, RESUMPTION, KeySchedule

Count = Domain("Count", (0, 1, 2))
LIMIT = 2
"""The number of records that a server skips if early data was not accepted."""


def _off() -> Variable:
    return Variable(BOOL, (False,))


def _none() -> Variable:
    # How many EndOfEarlyData the client has sent, or the server taken, by whatever row.
    return Variable(Count, (0,))


VARIABLES = {
    "client": {
        "sends_early": _off(),  # configuration
        "early_offered": _off(),
        "early_accepted": _off(),
        "sent_early": _off(),
        "ends_early": _none(),
    },
    "server": {
        "takes_early": _off(),  # configuration
        "has_register": _off(),  # configuration: the previous run's hello is remembered
        "early_offered": _off(),
        "early_accepted": _off(),
        "early_delivered": _off(),
        "skipped": Variable(Count, (0,), write_once=False),
        "end_not_in_early_keys": _off(),
        "ends_early": _none(),
        # For the properties: the records skipped, whatever the row counts.
        "passed_over": Variable(UpToTwo, ("0",), write_once=False),
    },
}
FIELDS = {
    "ClientHello": {"early_data": BOOL},
    "EncryptedExtensions": {"early_data": BOOL},
}
EarlyData = Message("EarlyData", {}, "8446 2.3")
"""Application data under the early traffic key."""
EndOfEarlyData = Message("EndOfEarlyData", {"records": Count}, "8446 4.5")
"""`records` is the number of earlier records under the same key, as in the nonce (5.3)."""

client, server = (
    Fields(f"the {r}", "own", {n: v.domain for n, v in VARIABLES[r].items()}) for r in VARIABLES
)
before = Fields("the server before", "prev", {"early_accepted": BOOL, "client_random": ClientOwner})
hello = Fields("ClientHello", "msg", FIELDS["ClientHello"])
ee = Fields("EncryptedExtensions", "msg", FIELDS["EncryptedExtensions"])

early, handshake = const("early", Key), const("handshake", Key)
_seen = server.has_register & before.early_accepted & eq(before.client_random, ch.random)
accepts = hello.early_data & server.takes_early & ~_seen
"""Whether the server takes the early data of a hello whose key it selects."""
skips = server.early_offered & ~server.early_accepted & (server.skipped != LIMIT)
_read = (base_server.version == "TLS13") & skips
_MORE = {0: 1, 1: 2, 2: 2}
next_skipped = mapping(server.skipped, _MORE, Count)
_ends = {
    "client": mapping(client.ends_early, _MORE, Count),
    "server": mapping(server.ends_early, _MORE, Count),
}
_FLIGHT = (
    "NEGOTIATED", "SEND_EE", "SEND_CR_CERT", "SEND_CERT", "SEND_CV", "SEND_FINISHED", "WAIT_CERT",
    "WAIT_FINISHED",
)
"""The states in which records of rejected early data can come, before the first good record."""
_READING = ("NEGOTIATED", "SEND_EE", "SEND_FINISHED", "WAIT_EOED")
# The first good record of the client's flight ends the skipping.
_none_yet = base_server.client_certificate == "none"


def _skip(message: Message) -> Rule:
    return receive(
        "server", message, _FLIGHT, SAME, rfc="8446 4.2.10", when=_read & _none_yet,
        do={"skipped": next_skipped}, label=f"server_skip_{snake(message.name)}",
    )


ROWS = (
    send("client", EarlyData, ("WAIT_SH", "WAIT_EE"), SAME, rfc="8446 2.3, 4.2.10",
         when=client.early_offered & ~client.sent_early, do={"sent_early": TRUE}),
    send("client", EarlyData, ("WAIT_FINISHED", "SEND_FINISHED"), SAME, rfc="8446 2.3, 4.2.10",
         when=client.early_accepted & ~client.sent_early & (base_client.write_key == "early"),
         do={"sent_early": TRUE}),
    send("client", EndOfEarlyData, "SEND_FINISHED", SAME, rfc="8446 4.5",
         when=client.early_accepted & (base_client.write_key == "early"),
         do={"write_key": handshake}),
    receive("server", EarlyData, _READING, SAME, rfc="8446 4.2.10",
            when=server.early_accepted & ~server.early_delivered,
            do={"early_delivered": TRUE}),
    send("server", Finished, "SEND_FINISHED", "WAIT_EOED", rfc="8446 4.4.4",
         when=server.early_accepted, do={"write_key": const("application", Key)}),
    receive("server", EndOfEarlyData, "WAIT_EOED", "WAIT_FINISHED", rfc="8446 4.5",
            checks=[check("record number", eq(EndOfEarlyData.f.records == 1,
                                              server.early_delivered), "bad_record_mac")],
            do={"read_key": handshake}),
    _skip(EarlyData),
    _skip(UndecryptableRecord),
)

_offer_kept = (after("version", base_server.version.domain) != "TLS13") | held(
    server, early_offered=hello.early_data
)


def _passing(message: str, skipped: Expr) -> tuple[Observer, ...]:
    """The observers of a record that is accepted though it does not decrypt."""
    more = one_more(server.passed_over)
    due = conj(server.early_offered, ~server.early_accepted, ~base_server.verified, _none_yet)
    return (
        Observer("passed_over", "receive", message, ite(skipped, more, server.passed_over), True),
        latch("passed_undue", "receive", message, skipped & ~due),
    )


_KEY = ("psk", *(f"session_{n}" for n in SESSION_FIELDS), "version", "random", "offer", "exchange")
"""The fields in the early key: the pre-shared key and the hello."""
_psk, _identity, *_rest = client_binder()
_server_key = (
    psk_server.psk,
    *kept("server", psk_server).values(),
    base_server.client_version,
    base_server.client_random,
    base_server.client_offer,
    base_server.exchange,
)
_offers = client.sends_early & (offered != "none")
_no_early = check("early data not offered", ~client.early_offered, "protocol_version")
_offered = check(
    "early data offered", ~ee.early_data | client.early_offered, "unsupported_extension"
)
_CH = "server_receive_client_hello"
_EE = "client_receive_encrypted_extensions_WAIT_EE_to"


def _every(role: Role, rule: Rule) -> Amend | None:
    return Amend("", checks=(_no_early,)) if takes(role, rule, "ServerHello", "tls12") else None


EXTENSION = Extension(
    "early_data",
    "8446 4.2.10",
    "0-RTT data under a pre-shared key",
    needs=("psk",),
    variables=VARIABLES,
    states={"server": {"tls13": ("WAIT_EOED",)}},
    messages=(EarlyData, EndOfEarlyData),
    fields=FIELDS,
    sends={
        "client": {
            "ClientHello": {"early_data": client.early_offered},
            "EarlyData": {},
            "EndOfEarlyData": {
                "records": ite(client.sent_early, const(1, Count), const(0, Count))
            },
        },
        "server": {"EncryptedExtensions": {"early_data": server.early_accepted}},
    },
    views={
        "client": {
            "early_accepted": client.early_accepted,
            "ends_early": client.ends_early,
            **{f"early.{n}": e for n, e in zip(_KEY, (_psk, *_rest), strict=True)},
        },
        "server": {
            "early_accepted": server.early_accepted,
            "ends_early": server.ends_early,
            **{f"early.{n}": e for n, e in zip(_KEY, _server_key, strict=True)},
        },
    },
    covers={
        "flight": ("early_accepted",),
        "client": ("ends_early",),
        "early": tuple(f"early.{n}" for n in _KEY),
    },
    rows=ROWS,
    every=_every,
    amends=(
        Amend("client_send_client_hello_START_to_WAIT_SH",
              do={"early_offered": _offers,
                  "write_key": ite(_offers, early, const("plaintext", Key))}),
        Amend(f"{_EE}_WAIT_CERT_CR",
              checks=(_offered, check("no early data", ~ee.early_data, "illegal_parameter"))),
        Amend(f"{_EE}_WAIT_FINISHED", of="psk", checks=(_offered,),
              do={"early_accepted": ee.early_data}),
        Amend("client_receive_finished_WAIT_FINISHED_to_SEND_FINISHED",
              instead={"write_key": ite(client.early_accepted, early, handshake)}),
        Amend("client_send_finished_SEND_FINISHED_to_CONNECTED",
              when=base_client.write_key != "early"),
        Amend(f"{_CH}_START_to_NEGOTIATED", do={"early_offered": hello.early_data}),
        Amend(f"{_CH}_psk", of="psk",
              do={"early_offered": hello.early_data, "early_accepted": accepts,
                  "read_key": ite(accepts, early, const("plaintext", Key))}),
        Amend("server_send_server_hello_NEGOTIATED_to_SEND_EE",
              instead={"read_key": ite(server.early_accepted, early, handshake)}),
        Amend("server_send_finished_SEND_FINISHED_to_WAIT_CERT", when=~server.early_accepted),
        Amend("server_send_finished_SEND_FINISHED_to_WAIT_FINISHED",
              when=~server.early_accepted),
        Amend("server_receive_change_cipher_spec_dropped", sources=("WAIT_EOED",)),
        Amend("server_send_application_data_early", sources=("WAIT_EOED",)),
    ),
    observers={
        "client": (
            Observer("ends_early", "send", "EndOfEarlyData", _ends["client"]),
            latch("unoffered_answer", "receive", "EncryptedExtensions",
                  ee.early_data & (~client.early_offered | (psk_client.psk == "none"))),
            keeps("receive", "EncryptedExtensions", held(client, early_accepted=ee.early_data)),
            keeps("send", "ClientHello",
                  held(client, early_offered=client.sends_early
                       & (after("offered_psk", Psk) != "none"))),
            # Once the answer has come, only accepted data is sent on.
            latch("early_unasked", "send", "EarlyData",
                  ~client.early_offered | (saw("EncryptedExtensions")
                                           & ~client.early_accepted)),
        ),
        "server": (
            Observer("ends_early", "receive", "EndOfEarlyData", _ends["server"]),
            Observer("end_not_in_early_keys", "receive", "EndOfEarlyData",
                     server.end_not_in_early_keys | (UNDER != "early")),
            keeps("receive", "ClientHello", _offer_kept),
            latch("early_not_in_early_keys", "receive", "EarlyData",
                  server.early_accepted & (UNDER != "early")),
            latch("early_taken", "receive", "EarlyData", server.early_accepted),
            latch("early_twice", "receive", "EarlyData",
                  server.early_accepted & var("own.early_taken", BOOL)),
            *_passing("EarlyData", ~server.early_accepted),
            *_passing("UndecryptableRecord", TRUE),
        ),
    },
    again={"server": {"EarlyData": TRUE}},
    schedule={
        end: KeySchedule(early={RESUMPTION: key == "resumption", EXTERNAL: key == "external"})
        for end, key in (("client", psk_client.offered_psk), ("server", psk_server.psk))
    },
)

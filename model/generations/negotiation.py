"""START and WAIT_SH: the hellos of all versions, which alone choose the version.

1. The client offers its highest version and its suites.              RFC 5246 7.4.1.2, 8446 4.1.2
2. The server takes the highest common version and, of the suites     RFC 5246 7.4.1.3, 8446 4.2.1
   offered, the preferred one.
3. The client checks that everything chosen was offered, and the      RFC 8446 4.1.3
   downgrade sentinel; an end that knows TLS 1.3 takes no hello that   RFC 8446 D.5
   says SSL 3.0.
4. An extension of TLS 1.3 is answered with unsupported_extension if  RFC 5246 7.4.1.4, 8446 4.2
   it was not asked for, and with illegal_parameter elsewhere.

TLS 1.3's retry, pre-shared keys and early data are extensions: START and WAIT_SH gain rows.
"""

from __future__ import annotations

from model.expr import Expr, const, disj, eq, ite, neg
from model.message import ClientHello, ServerHello
from model.principal import OFFERED, ClientOwner, Key, Sentinel, Shares, Suite, client, server
from model.rule import check, receive, send
from model.transcript import CERTIFICATE_SUITES, EXPORT_SUITES

sh = ServerHello.f
ch = ClientHello.f

suite_offered = disj(*((sh.suite == s) & client[f"offers_{s}"] for s in OFFERED))
# RFC 4346 A.5: export suites must not be negotiated from TLS 1.1 on.
export_too_late = sh.suite.one_of(*EXPORT_SUITES) & neg(
    (sh.version <= "TLS10") | client.export_after_tls10
)
sentinel_ok = ite(
    client.max_version == "TLS13",
    sh.sentinel == "none",
    neg((client.max_version == "TLS12") & (sh.version < "TLS12") & (sh.sentinel == "DOWNGRD00")),
)

_version_known = check(
    "version offered",
    (sh.version <= client.max_version) & (sh.version >= client.min_version),
    "protocol_version",
)
_not_ssl = check(
    "no SSL 3.0", ~(client.max_version == "TLS13") | (sh.version != "SSL30"), "protocol_version"
)
offers_deflate = client.deflate & (client.max_version != "TLS13")
"""A client that knows TLS 1.3 offers no compression (RFC 8446 4.1.2)."""
_compression = check(
    "compression offered", (sh.compression == "null") | offers_deflate, "illegal_parameter"
)
share_asked = check(
    "share offered", (sh.key_share == "none") | (client.shares != "none"), "unsupported_extension"
)
hello_12 = (
    _version_known,
    _not_ssl,
    check("suite offered", suite_offered & ~export_too_late, "illegal_parameter"),
    _compression,
    check("downgrade sentinel", sentinel_ok, "illegal_parameter"),
    share_asked,
    check("no share below TLS 1.3", sh.key_share == "none", "illegal_parameter"),
)
# To a client of TLS 1.2 at most, supported_versions is an extension that it did not ask for.
hello_13 = (
    check("version offered", client.max_version == "TLS13", "unsupported_extension"),
    check("suite offered", sh.suite == "AEAD", "illegal_parameter"),
    check("compression null", sh.compression == "null", "illegal_parameter"),
    check("session id echo", sh.session_id == "none", "illegal_parameter"),
    share_asked,
)
take_hello = {
    "version": sh.version,
    "server_random": sh.random,
    # Only an honest server's random can equal another, so only its bytes tell two randoms apart.
    "sentinel": ite(sh.random == "adversary", const("none", Sentinel), sh.sentinel),
    "session_id": sh.session_id,
    "suite": sh.suite,
    "compression": sh.compression,
}

# The server's choice of version and suite.
# A server that does not know TLS 1.3 ignores supported_versions (RFC 8446 4.2.1, 5246 7.4.1.4).
offered = ite(server.max_version == "TLS13", ch.version, ch.legacy_version)
version = ite(offered <= server.max_version, offered, server.max_version)


compression = ite(
    ch.deflate & server.deflate,
    const("deflate", server.compression.domain),
    const("null", server.compression.domain),
)


def acceptable(suite: str) -> Expr:
    """Whether the server may choose `suite` for this ClientHello (below TLS 1.3)."""
    both = ch[f"offers_{suite}"] & server[f"offers_{suite}"]
    if suite in EXPORT_SUITES:
        return both & ((version <= "TLS10") | server.export_after_tls10)
    return both


def best() -> Expr:
    """The suite that a server chooses below TLS 1.3."""
    chosen = const("none", Suite)
    for s in OFFERED:  # the last acceptable one is the best
        chosen = ite(acceptable(s), const(s, Suite), chosen)
    return chosen


# RFC 8446 D.5: whoever knows TLS 1.3 takes no hello with this value, whatever else it says.
no_ssl = check(
    "no SSL 3.0", ~(server.max_version == "TLS13") | (ch.legacy_version != "SSL30"),
    "protocol_version",
)
version_common = (
    check("common version", version >= server.min_version, "protocol_version"),
    no_ssl,
)
compression_null = check("compression null", ~ch.deflate, "illegal_parameter")
share_there = (ch.shares != "none") | (ch.key_share != "none")
share_missing = check("key share", share_there, "missing_extension")
# With an empty key_share, or beside an unknown pre-shared key, without one: RFC 8446 4.1.1.
share_usable = check("usable share", ch.key_share != "none", "handshake_failure")
_own_share = ite(ch.shares == "one", ch.offer, const("none", ClientOwner))
# Every version has the whole hello in its transcript: with another share it is another offer.
offer = ite(eq(ch.key_share, _own_share), ch.offer, const("adversary", ClientOwner))
take_client_hello = {
    # In the transcript a made-up list equals nobody's, whatever versions it has.
    "client_version": ite(ch.offer == "adversary", offered, ch.version),
    "legacy_version": ch.legacy_version,
    "client_random": ch.random,
    "client_offer": offer,
    "version": version,
}

GENERATION = ""
RULES = [
    # -- client ------------------------------------------------------------------------------------
    send("client", ClientHello, "START", "WAIT_SH", rfc="5246 7.4.1.2; 8446 4.1.2",
         do={"shares": ite(client.max_version == "TLS13", const("one", Shares),
                           const("none", Shares))}),
    receive("client", ServerHello, "WAIT_SH", "WAIT_CERTIFICATE", rfc="5246 7.4.1.3",
            when=(sh.version <= "TLS12") & sh.suite.one_of(*CERTIFICATE_SUITES),
            checks=hello_12, do=take_hello),
    receive("client", ServerHello, "WAIT_SH", "WAIT_SKE", rfc="5246 7.4.1.3, F.1.1.1",
            when=(sh.version <= "TLS12") & ~sh.suite.one_of(*CERTIFICATE_SUITES),
            checks=hello_12, do=take_hello),
    receive("client", ServerHello, "WAIT_SH", "WAIT_EE", rfc="8446 4.1.3",
            when=sh.version == "TLS13",
            checks=[
                *hello_13,
                check("key share", sh.key_share != "none", "missing_extension"),
            ],
            do={**take_hello, "server_share": sh.key_share,
                "group": const("ecdh", client.group.domain),
                "keyed": const(True), "read_key": const("handshake", Key)}),
    # -- server ------------------------------------------------------------------------------------
    receive("server", ClientHello, "START", "SEND_SH", rfc="5246 7.4.1.2, 7.4.1.3",
            when=version <= "TLS12",
            checks=[*version_common,
                    check("common suite", disj(*map(acceptable, OFFERED)), "handshake_failure")],
            do={**take_client_hello, "suite": best(),
                "compression": compression}),
    receive("server", ClientHello, "START", "NEGOTIATED", rfc="8446 4.1.1, 4.2.1",
            when=version == "TLS13",
            checks=[*version_common, compression_null, share_missing, share_usable],
            do={**take_client_hello, "suite": const("AEAD", Suite), "exchange": ch.key_share,
                "keyed": const(True)}),
]

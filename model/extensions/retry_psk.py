"""Pre-shared keys after a HelloRetryRequest (RFC 8446).

1. With a key selected in psk_ke mode the group of the share does not      4.1.1, 4.2.9
   matter, so there is a retry for a cookie only.
2. The second ClientHello has its own binder, over the first hello, the    4.1.2, 4.2.11.2
   HelloRetryRequest and the second hello.
3. The server selects the key again, by the second hello.                  4.1.4
"""

from __future__ import annotations

from model.expr import TRUE, Expr, conj, const, disj, eq, implies, ite, neg, same
from model.extensions import Amend, Extension
from model.extensions.psk import EXTENSION as PSK
from model.extensions.psk import (
    HELLO,
    SHARED,
    before,
    binder_observers,
    client_binder,
    common_mode,
    copied,
    dhe,
    hello,
    kind,
    modes,
    resumption,
    selects,
    server_binder,
    share_missing,
)
from model.extensions.psk import shares as psk_shares
from model.extensions.retry import (
    SUPPORTED,
    NamedGroup,
    SecondClientHello,
    answer,
    client,
    listed,
    needs_retry,
    present_share,
    second,
    server,
    share_group,
    shares,
    shares_now,
    supported,
)
from model.extensions.retry import hello as groups
from model.generations.negotiation import (
    ch,
    compression_null,
    no_ssl,
    offer,
    sh,
    share_there,
    version,
)
from model.principal import client as base_client
from model.principal import server as base_server
from model.rule import check, receive
from model.transcript import earlier

_groups = disj(*(groups[f"supports_{g}"] for g in SUPPORTED))
# Neither of key_share and supported_groups without the other (RFC 8446 9.2).
_together = check("key share with groups", share_there | ~_groups, "missing_extension")
_supports = {
    f"supports_{g}": client[f"supports_{g}"]
    & ((base_client.shares != "none") | (base_client.max_version != "TLS13"))
    for g in SUPPORTED
}
_nobody = const("none", base_client.me.domain)
_ke_alone = selects & ~dhe & ~server.asks_cookie
_no_group = const("none", NamedGroup)

client_first = (base_client.me, base_client.me, client.retry_group, client.cookie)
first_hello = (server.first_random, server.first_offer, server.retry_group, server.cookie)
"""The further fields under the second binder at either end: the first hello and the request."""

_SH = "client_receive_server_hello"
_SECOND = "server_receive_second_client_hello_WAIT_CH_to_NEGOTIATED"


def _with_share(ok: Expr) -> Expr:
    return implies(dhe, ok)


ROWS = (
    receive("server", SecondClientHello, "WAIT_CH", "NEGOTIATED", rfc="8446 4.1.4, 4.2.11",
            when=selects,
            checks=[
                no_ssl,
                check("version kept", version == "TLS13", "illegal_parameter"),
                compression_null,
                _together,
                check("share in supported groups", _with_share(listed), "illegal_parameter"),
                check("group kept",
                      _with_share(ite(server.retry_group == "none", supported,
                                      eq(groups.group, server.retry_group))),
                      "illegal_parameter"),
                check("cookie", eq(second.cookie, server.cookie), "illegal_parameter"),
                check("binder", same(hello.binder, *server_binder(), *first_hello),
                      "decrypt_error"),
            ],
            do={"client_version": ch.version, "legacy_version": ch.legacy_version,
                "client_random": ch.random,
                "client_offer": offer, "exchange": ch.key_share,
                "named_group": ite(dhe, groups.group, _no_group), "keyed": TRUE,
                "random": base_server.me, "psk": kind, "psk_ke": ~dhe, "modes_offered": TRUE,
                **copied("server", resumption)},
            label="server_receive_second_client_hello_psk"),
)

EXTENSION = Extension(
    "retry_psk",
    "8446 4.1.4, 4.2.11.2",
    "pre-shared keys after a HelloRetryRequest",
    needs=("psk", "retry"),
    # The share of the handshake before is that of its last hello.
    terms=((SHARED, ite(earlier(shares_now) == "one", before["client"].random, _nobody)),),
    implied=True,
    fields={"SecondClientHello": HELLO},
    optional={"SecondClientHello": ("identity",)},
    sends={
        "client": {
            "ClientHello": _supports,
            "SecondClientHello": {
                **PSK.sends["client"]["ClientHello"],
                **_supports,
                "binder": (*client_binder(present_share), *client_first),
            },
        }
    },
    rows=ROWS,
    observers={
        "server": binder_observers("SecondClientHello", (*server_binder(), *first_hello)),
    },
    amends=(
        Amend("client_send_client_hello_START_to_WAIT_SH",
              instead={"shares": ite(psk_shares == "one", shares, psk_shares)}),
        Amend("server_receive_client_hello_START_to_NEGOTIATED", first=(_together,)),
        Amend(f"{_SH}_psk", of="psk",
              checks=(check("group of the share",
                            ite(sh.key_share == "none", answer.group == "none",
                                (share_group != "none") & eq(answer.group, share_group)),
                            "illegal_parameter"),),
              do={"named_group": ite(sh.key_share == "none", _no_group, answer.group)}),
        Amend("server_receive_client_hello_START_to_SEND_HRR", of="retry",
              when=neg(_ke_alone), without=("key share",), first=(_together,),
              checks=(modes, share_missing)),
        Amend("server_receive_client_hello_psk", of="psk",
              when=neg(conj(needs_retry, neg(_ke_alone))), first=(_together,),
              checks=(check("share in supported groups", _with_share(listed),
                            "illegal_parameter"),
                      check("common group", _with_share(supported), "handshake_failure")),
              do={"named_group": ite(dhe, groups.group, _no_group)}),
        Amend(_SECOND, of="retry", when=neg(selects), first=(_together,), checks=(modes,),
              do={"random": base_server.me, "modes_offered": common_mode}),
    ),
)

"""Several pre-shared keys in one hello (RFC 8446): a list of two, in the client's order.

1. The client offers two keys, each with its own binder over the hello up    4.2.11, 4.2.11.2
   to the binders: external keys and a ticket, whoever else has them.
2. A server selects one of those that it knows, whichever it prefers, and    4.2.11
   verifies that one's binder alone.
3. The client takes the key that it offered under selected_identity, which   4.2.11
   must be one of those that it offered.
4. The first key is that of early data: a server accepts early data only     4.2.10, 4.2.11
   with the first key selected, and a client holds it to that.

The binder that the server does not verify can be altered on the way; the handshake then fails,
since the binder is in the transcript. `other_binder` is its maker; if the server selects no key,
the maker of both.
"""

from __future__ import annotations

from model.expr import BOOL, COMPOSITE, Domain, Expr, conj, const, eq, ite, neg, replaced, same, var
from model.extensions import Amend, Extension, early_data, psk, retry_psk, takes
from model.extensions.psk import Identity, Psk, Selected
from model.observers import after, held, keeps
from model.principal import ClientOwner
from model.principal import client as base_client
from model.role import Observer, Role
from model.rule import Fields, Rule, Variable, check
from model.schedule import KeySchedule


def _once(domain: Domain, initial: object = "none") -> Variable:
    return Variable(domain, (initial,))


VARIABLES = {
    "client": {
        # Configuration: the key that the client offers after another.
        "second_key": _once(Psk),
        "second_psk": _once(Psk),
        # For the properties: what the ServerHello says.
        "selected_identity": _once(Selected),
    },
    "server": {
        "other_binder": _once(ClientOwner),
        "prefers_second": _once(BOOL, False),  # configuration
        "second_selected": _once(BOOL, False),
    },
}
HELLO = {"second_identity": Identity, "second_binder": COMPOSITE, "other_binder": ClientOwner}

client, server = (
    Fields(f"the {r}", "own", {n: v.domain for n, v in VARIABLES[r].items()}) for r in VARIABLES
)
hello = Fields("ClientHello", "msg", HELLO)
_no_key = const("none", Psk)

# -- the client ------------------------------------------------------------------------------------
_ticket_last = (client.second_key == "resumption") & (psk.external_key != "none")
first = ite(psk.client.resumes & neg(_ticket_last), const("resumption", Psk), psk.external_key)
"""The key that the client offers first."""
_usable = (client.second_key != "resumption") | psk.client.resumes
second = ite(
    conj(first != "none", psk.client.takes_psk_ke | psk.client.takes_psk_dhe_ke, _usable,
         neg(eq(client.second_key, first))),
    client.second_key,
    _no_key,
)
_in_range = (psk.answer.selected == "0") | (
    (psk.answer.selected == "1") & (client.second_psk != "none")
)
answered_key = ite(psk.answer.selected == "1", client.second_psk, psk.answered_key)
_first_answered = check(
    "early data with the first key",
    ~early_data.ee.early_data | eq(psk.client.psk, psk.client.offered_psk),
    "illegal_parameter",
)
other = ite(client.second_psk != "none", base_client.me, const("none", ClientOwner))
"""The maker of the binder that the server does not verify."""

# -- the server ------------------------------------------------------------------------------------
picks_second = var("msg.picks_second", BOOL)
"""Whether the server selects the second key of a hello, as a name until the terms are replaced."""
_known = psk.kind != "none"
_picks_second = conj(
    psk.hello.identity != "none",
    replaced(_known, psk.hello.identity, hello.second_identity),
    server.prefers_second | neg(_known),
)
_picked = ite(picks_second, hello.second_identity, psk.hello.identity)


def selected(e: Expr) -> Expr:
    """What `e` says of the first key, said of the key that the server selects."""
    return replaced(replaced(e, psk.hello.identity, _picked), picks_second, _picks_second)


def _of_the_selected(*parts: Expr) -> tuple[Expr, Expr]:
    """In place of the binder of the first key, that of the key selected; both made of `parts`."""
    first, second = (same(b, *parts) for b in (psk.hello.binder, hello.second_binder))
    return first, ite(picks_second, second, first)


def _every(role: Role, rule: Rule) -> Amend | None:
    """Every version has the whole hello in its transcript."""
    hellos = ("ClientHello", "SecondClientHello")
    if not any(takes(role, rule, m) for m in hellos) or rule.target == "SEND_HRR":
        return None
    selected = {"second_selected": _picks_second} if "psk" in rule.do else {}
    return Amend("", do={"other_binder": hello.other_binder, **selected})


def of_hello(message: str) -> Observer:
    """The observer of a hello that is answered with ServerHello."""
    answered = after("client_random", ClientOwner) != "none"
    return keeps(
        "receive", message,
        ~answered | held(server, other_binder=hello.other_binder),
        (after("psk", Psk) == "none") | held(server, second_selected=picks_second),
    )


EXTENSION = Extension(
    "psk_list",
    "8446 4.2.11",
    "two pre-shared keys in one hello",
    needs=("psk",),
    variables=VARIABLES,
    fields={"ClientHello": HELLO},
    optional={"ClientHello": ("second_identity", "other_binder")},
    shown={"ClientHello": {"other_binder": "ClientHello"}},
    sends={
        "client": {
            "ClientHello": {
                "second_identity": psk.identity_of(client.second_psk),
                "second_binder": psk.client_binder(key=client.second_psk),
                "other_binder": other,
            },
        },
        "server": {
            "ServerHello": {
                "selected": ite(
                    server.second_selected, const("1", Selected), psk.first_selected
                ),
            },
        },
    },
    views={
        "client": {"other_binder": other},
        "server": {"other_binder": server.other_binder},
    },
    covers={"hellos": ("other_binder",)},
    every=_every,
    amends=(
        Amend("client_send_client_hello_START_to_WAIT_SH", do={"second_psk": second}),
        Amend("client_receive_server_hello_psk", instead={"psk": answered_key}),
        Amend("client_receive_encrypted_extensions_WAIT_EE_to_WAIT_FINISHED", of="early_data",
              checks=(_first_answered,)),
    ),
    # The identity selected comes late: the terms before are of the first one.
    terms=(
        (psk.offered, first),
        (psk.answer.selected == "0", _in_range),
        (psk.answered_key, answered_key),
        (early_data.accepts, early_data.accepts & ~picks_second),
        _of_the_selected(*psk.server_binder()),
        _of_the_selected(*psk.server_binder(), *retry_psk.first_hello),
        (psk.hello.identity, _picked),
        (picks_second, _picks_second),
    ),
    observers={
        "client": (
            Observer("selected_identity", "receive", "ServerHello", psk.answer.selected),
        ),
        "server": (of_hello("ClientHello"),),
    },
    schedule={
        "server": KeySchedule(
            seals={"second_binder": psk.EXTENSION.schedule["server"].seals["binder"]}
        ),
    },
)

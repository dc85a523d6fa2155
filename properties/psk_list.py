"""Several pre-shared keys in one hello (RFC 8446 4.2.11): which one is in use, and at which end."""

from __future__ import annotations

from model.expr import Expr, conj, disj, eq, ite, neg
from properties import Implication, World, invariant, reachable, when
from properties.authentication import agree, paired
from properties.psk import key_known

NEEDS = ("tls13", "psk_list")


@invariant("RES-15", "8446 4.2.11", NEEDS)
def the_key_in_use_is_that_of_the_selected_identity(w: World) -> list[Implication]:
    """A client goes on with the key that it offered under the server's selected_identity."""
    out = []
    for c in w.clients:
        used = c.psk != "none"
        out.append(when(used & (c.selected_identity == "0")).then(eq(c.psk, c.offered_psk)))
        out.append(when(used & (c.selected_identity == "1")).then(eq(c.psk, c.second_psk)))
    return out


@invariant("RES-16", "8446 4.2.11, 4.2.11.2", (*NEEDS, "adversary"))
def both_ends_have_the_key_of_one_identity(w: World) -> list[Implication]:
    """A client and a server of which one finished with the other, under a key that the adversary
    does not know, have the same key, under the same identity of the client's hello."""
    out = []
    for c in w.clients:
        for s in w.servers:
            named = ite(s.second_selected, c.selected_identity == "1", c.selected_identity == "0")
            for r, psk in ((c, c.psk), (s, s.psk)):
                given = conj(r.verified, psk != "none", neg(key_known(w, r)), paired(c, s))
                out.append(when(given).then(conj(eq(c.psk, s.psk), named)))
    return out


@invariant("EDT-11", "8446 4.2.10, 4.2.11", (*NEEDS, "early_data", "adversary"))
def accepted_early_data_is_under_the_first_key(w: World) -> list[Implication]:
    """A server that accepts the early data of an honest client's hello reads it under the key that
    the client writes it with: that of the first identity."""
    return [
        when(
            conj(s.early_accepted, c.early_offered, neg(key_known(w, s)), s.client_random == c.name)
        ).then(agree(c, s, c.run.role.covered["early"]))
        for c in w.clients
        for s in w.servers
    ]


@reachable("LIV-11", "8446 4.2.11", NEEDS)
def can_the_second_key_of_a_hello_be_used(w: World) -> Expr:
    """Both ends can finish under the key that the client offered second."""
    return disj(
        *(
            conj(c.verified, s.verified, s.second_selected, c.selected_identity == "1",
                 eq(c.psk, c.second_psk))
            for c in w.clients
            for s in w.servers
        )
    )

"""Sessions of TLS 1.0 to 1.2: the extended master secret."""

from __future__ import annotations

from model.expr import Expr, conj, disj, eq
from properties import Implication, View, World, invariant, when
from properties.authentication import VIEW_FIELDS, agree, paired, server_authenticated

EMS = "extended_master_secret"


def one_identity(c: View, s: View) -> Expr:
    """Each end takes its peer for the other one, or does not know it."""
    server = (c.suite == "DH_anon") | (c.server_certificate == "honest")
    client = s.client_certificate.one_of("none", "empty")
    return conj(server, disj(client, eq(c.client_certificate, s.client_certificate)))


def done(c: View, s: View) -> Expr:
    """Both have verified a Finished."""
    return conj(c.verified, s.verified)


def same_keys(c: View, s: View) -> Expr:
    """One master secret and one pair of randoms: the same session keys and exporter."""
    return c.system.network.same_keys(c.system, c.run, s.run)  # type: ignore[attr-defined,no-any-return]


@invariant("KEY-13", "7627 4, 5.1", ("adversary", "certificates", EMS))
def the_session_hash_is_used_if_both_hellos_ask_for_it(w: World) -> list[Implication]:
    """The extended master secret only where the end itself offered it, and with the honest server
    exactly where both did."""
    return [
        *(when(r.ems).then(r.offers_ems) for r in w.runs),
        *(
            when(conj(server_authenticated(c), paired(c, s))).then(
                conj(eq(c.ems, s.ems), eq(c.ems, c.offers_ems & s.offers_ems))
            )
            for c in w.clients
            for s in w.servers
        ),
    ]


@invariant("AUT-8", "7627 1", ("adversary", "certificates", EMS))
def who_shares_a_key_knows_with_whom(w: World) -> list[Implication]:
    """No unknown key share: two ends with the same keys take their peer for each other."""
    return [
        when(conj(done(c, s), same_keys(c, s))).then(one_identity(c, s))
        for c in w.clients
        for s in w.servers
    ]


@invariant("AUT-21", "7627 3, 5; 5929 3", ("adversary", "certificates", EMS))
def the_session_keys_identify_the_channel(w: World) -> list[Implication]:
    """What is exported from the master secret is bound to one channel: ends that share it agree on
    all that was negotiated and on both identities."""
    return [
        when(conj(done(c, s), same_keys(c, s))).then(
            conj(agree(c, s, VIEW_FIELDS), one_identity(c, s))
        )
        for c in w.clients
        for s in w.servers
    ]

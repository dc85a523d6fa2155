"""What an end does with each record: the key, the state, the end, what it takes part in at all."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, disj, neg
from model.principal import OFFERED
from properties import Implication, View, World, invariant, when
from properties.authentication import is_open
from properties.order import legacy
from properties.retry import alone


def begun(r: View) -> Expr:
    """When the run has sent or taken something."""
    return r.state != r.run.role.states[0]


def gave_up(r: View) -> Expr:
    """When the run canceled its handshake; false without the extension."""
    return r.canceled if "canceled" in r.run.role.variables else FALSE


def takes_false_start(r: View) -> Expr:
    """When the run may read data before its own Finished; false without the extension."""
    return r.verified if "false_start" in r.run.role.extensions else FALSE


@invariant("KEY-14", "5246 6.2.3; 8446 5, 5.2")
def every_record_is_taken_under_the_read_key(w: World) -> list[Implication]:
    """No record in the clear or under another key is taken, but for the ChangeCipherSpec that
    TLS 1.3 drops."""
    return [when(begun(r)).then(~r.other_key) for r in w.runs]


@invariant("CLO-4", "5246 7.2.1, 7.2.2; 8446 6.1")
def a_closed_run_knows_how_it_ended(w: World) -> list[Implication]:
    """A closed run has seen the peer's close_notify or an error, unless it gave up by itself."""
    return [when(r.state == "CLOSED").then((r.end != "none") | gave_up(r)) for r in w.runs]


@invariant("CLO-5", "5246 7.2.1; 8446 6.1")
def a_clean_end_stays_clean(w: World) -> list[Implication]:
    """A connected run that took a close_notify has a clean end, whatever comes afterwards."""
    return [when(r.closed_connected).then(r.end == "close_notify") for r in w.runs]


@invariant("CLO-6", "5246 7.2.1; 8446 6.1")
def nothing_is_dropped_before_the_close(w: World) -> list[Implication]:
    """A run drops messages unread only after the peer's close_notify or its own; in TLS 1.3 with
    half-close only after the peer's."""
    return [when(begun(r)).then(~r.dropped_open) for r in w.runs]


@invariant("CLO-7", "5246 7.2.1; 8446 6.1")
def a_clean_end_is_told_to_the_peer(w: World) -> list[Implication]:
    """A close_notify closes a run at once only if the run has sent its own; a run sends nothing
    after that."""
    return [
        *(when(r.end == "close_notify").then(~r.closed_silently) for r in w.runs),
        *(when(begun(r)).then(~r.sent_after_close) for r in w.runs),
    ]


@invariant("ORD-24", "5246 7.1; 8446 5")
def every_change_cipher_spec_is_well_formed(w: World) -> list[Implication]:
    """A ChangeCipherSpec is taken only with the value 1, after the first ClientHello and, in
    TLS 1.3, unprotected."""
    return [when(begun(r)).then(~r.bad_ccs) for r in w.runs]


@invariant("KEY-17", "5246 7.1; 8446 5.1, 7.3, A")
def every_message_is_sent_under_its_key(w: World) -> list[Implication]:
    """A run sends each message under the key that its place in the handshake demands: below TLS 1.3
    in the clear up to its own ChangeCipherSpec, in TLS 1.3 by the message."""
    return [when(begun(r)).then(~r.wrote_other_key) for r in w.runs]


@invariant("NEG-17", "5246 7.4.1.2, 7.4.1.3, 7.4.2, 7.4.3; 8446 4.1.2, 4.1.3, 4.4.2")
def what_a_message_says_is_what_is_kept(w: World) -> list[Implication]:
    """A run keeps of each message of the handshake what the message says; of a hello whose share it
    does not take, no group."""
    out = [when(begun(r)).then(~r.kept_other) for r in w.runs]
    for s in (s for s in w.servers if "named_group" in s.run.role.variables):
        out.append(when(conj(begun(s), neg(alone(s)))).then(~s.other_group))
    return out


@invariant("AUT-29", "5246 7.4.6; 6101 5.6.6; 8446 4.4.2", ("adversary",))
def a_client_shows_only_a_certificate_that_it_has(w: World) -> list[Implication]:
    """A client shows an empty certificate or its own, and sends CertificateVerify for its own; one
    that says in SSL 3.0 that it has none shows and proves none."""
    return [
        i
        for c in w.clients
        for i in (
            when(c.said_certificate).then(~c.showed_others),
            when(c.said_no_certificate).then(~c.said_certificate & ~c.said_certificate_verify),
        )
    ]


@invariant("ORD-22", "5246 7.3; 7918 4", ("adversary", "tls12", "data"))
def data_is_delivered_only_after_ones_own_finished(w: World) -> list[Implication]:
    """Below TLS 1.3 no end delivers data before its own Finished is sent, but for a server that
    has verified the Finished of a client with False Start."""
    return [
        when(conj(r.delivered, legacy(r))).then(
            w.system.of(r.run, "sent_Finished") | takes_false_start(r)
        )
        for r in w.runs
    ]


@invariant("NEG-16", "5246 7.4.1.3; 8446 4.1.1, 4.2.1")
def an_end_takes_part_only_in_what_it_allows(w: World) -> list[Implication]:
    """An end goes on after the hellos only with a version between its lowest and its highest, and a
    suite that it offers."""
    return [
        when(conj(is_open(r), r.version != "none")).then(
            conj(
                r.version >= r.min_version,
                r.version <= r.max_version,
                disj(
                    conj(r.version == "TLS13", r.suite == "AEAD"),
                    *(conj(legacy(r), r.suite == s, getattr(r, f"offers_{s}")) for s in OFFERED),
                ),
            )
        )
        for r in w.runs
    ]

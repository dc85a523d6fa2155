"""Keys, ChangeCipherSpec and record protection."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, disj, neg
from properties import Implication, View, World, invariant, when
from properties.authentication import by_key, is_open
from properties.order import connected, legacy


def early(c: View) -> Expr:
    """When the client writes early data under a pre-shared key that it offered."""
    if "early_offered" not in c.run.role.variables or c.role == "server":
        return FALSE
    return conj(c.write_key == "early", c.offered_psk != "none", c.read_key == "plaintext")


def own_key(key: Expr) -> Expr:
    """When `key` is made by this handshake: neither plaintext nor of the previous handshake."""
    return neg(key.one_of("plaintext", "previous"))


@invariant("KEY-1", "5246 7.1, 6.3", ("tls12",))
def change_cipher_spec_waits_for_a_key_exchange(w: World) -> list[Implication]:
    """In TLS 1.0 to 1.2, session keys to read with are made by a key exchange."""
    return [
        when(conj(legacy(r), own_key(r.read_key))).then(conj(r.keyed, r.read_key == "application"))
        for r in w.runs
    ]


@invariant("KEY-2", "5246 7.1", ("tls12",))
def one_change_cipher_spec_comes_before_each_finished(w: World) -> list[Implication]:
    """A connected run of TLS 1.0 to 1.2 has had exactly one ChangeCipherSpec."""
    return [
        when(conj(connected(r), legacy(r))).then(
            conj(r.saw_change_cipher_spec, neg(r.repeated_ccs))
        )
        for r in w.runs
    ]


@invariant("KEY-3", "5246 7.1; 8446 7.1")
def the_read_key_changes_only_where_it_should(w: World) -> list[Implication]:
    """The read key does not change before ChangeCipherSpec; in TLS 1.3 it becomes the application
    key only with the peer's Finished, and the early data key only with a pre-shared key."""
    return [
        when(conj(is_open(r), own_key(r.read_key))).then(
            disj(
                conj(legacy(r), r.saw_change_cipher_spec),
                conj(r.version == "TLS13", r.read_key == "handshake", neg(r.verified)),
                conj(r.version == "TLS13", r.read_key == "application", r.saw_finished),
                conj(r.read_key == "early", by_key(r), neg(r.verified)),
            )
        )
        for r in w.runs
    ]


@invariant("KEY-4", "5246 7.4.9; 8446 5.2")
def no_finished_and_no_data_is_accepted_in_the_clear(w: World) -> list[Implication]:
    """Finished and application data are accepted only under keys."""
    return [
        when(disj(r.verified, r.delivered)).then(
            conj(neg(r.finished_in_clear), neg(r.data_in_clear))
        )
        for r in w.runs
    ]


@invariant("KEY-6", "8446 5, D.4", ("tls13",))
def a_compatibility_change_cipher_spec_changes_nothing(w: World) -> list[Implication]:
    """A ChangeCipherSpec in TLS 1.3 is dropped before the peer's Finished, with state and keys as
    before; it is refused afterwards."""
    return [
        *(
            when(r.version == "TLS13").then(
                conj(
                    neg(r.late_ccs), neg(r.changed_by_ccs), r.read_key != "empty",
                    r.write_key != "empty",
                )
            )
            for r in w.runs
        ),
        # Before the hello that chooses the version.
        *(
            when(conj(c.state != "START", c.version == "none", c.max_version == "TLS13")).then(
                neg(c.changed_by_ccs)
            )
            for c in w.clients
        ),
    ]


@invariant("KEY-7", "5246 6.3, 8.1; 8446 7.1")
def no_key_is_derived_from_a_secret_that_was_never_set(w: World) -> list[Implication]:
    """No Finished is verified, and no record read or written, under a key that no exchange made; in
    TLS 1.3 the exchange has a share of the peer or a pre-shared key."""
    return [
        *(
            when(disj(own_key(r.read_key), own_key(r.write_key))).then(
                conj(r.keyed | early(r), r.read_key != "empty", r.write_key != "empty")
            )
            for r in w.runs
        ),
        *(
            when(conj(r.keyed, r.version == "TLS13")).then(
                disj(by_key(r), (r.server_share if r.role == "client" else r.exchange) != "none")
            )
            for r in w.runs
        ),
    ]


@invariant("KEY-7D", "8446 4.2.8.1, 4.2.8.2, 7.4.2; 8422 5.11; 7919 5.1", ("degenerate_shares",))
def no_key_is_derived_from_a_degenerate_share(w: World) -> list[Implication]:
    """An end has keys of an exchange only if the peer's share contributed to the secret."""
    return [when(conj(is_open(r), r.keyed)).then(neg(r.took_degenerate)) for r in w.runs]


@invariant("KEY-16", "5246 7.1; 8446 7.1, 4.4.4")
def a_connected_run_writes_under_its_last_key(w: World) -> list[Implication]:
    """A run that is connected writes under the key of its epoch, in TLS 1.3 that of application
    traffic."""
    return [when(r.state == "CONNECTED").then(r.write_key == "application") for r in w.runs]

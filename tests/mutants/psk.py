"""Mutants of pre-shared keys and resumption."""

from __future__ import annotations

from dataclasses import replace

from model.expr import FALSE, Expr, const, same, substitute
from model.extensions.psk import SESSION_FIELDS, NewSessionTicket, Psk, client, server
from model.generations.negotiation import take_hello
from model.message import CertificateRequest, ServerHello
from model.patch import (
    on_role,
    patched,
    with_effects,
    with_rows,
    without_check,
    without_covered,
    without_fields,
    without_rows,
)
from model.principal import ClientAuth, ServerOwner
from model.role import Role
from model.rule import SAME, Variable, receive, send
from tests.mutants import both, c, s

SH_PSK = "client_receive_server_hello_psk"
CH_PSK = "server_receive_client_hello_psk"


@on_role
def expired_and_taken(r: Role) -> Role:
    """The role with tickets that have expired, which nobody checks."""

    def unread(e: Expr) -> Expr:
        return substitute(e, lambda v: FALSE if v.payload == "own.expired" else v)

    rows = tuple(
        replace(
            x,
            when=unread(x.when),
            checks=tuple(replace(c, expr=unread(c.expr)) for c in x.checks),
            do={n: unread(e) for n, e in x.do.items()},
        )
        for x in r.table
    )
    expired = Variable(r.variables["expired"].domain, (True,))
    return replace(r, table=rows, variables={**r.variables, "expired": expired})


@on_role
def unbound(r: Role) -> Role:
    """The role with a resumption key in which nothing tells one handshake from another."""
    names = [f"session_{n}" for n in SESSION_FIELDS]
    finished = without_fields("Finished", *(f"secret.{n}" for n in names))
    r = patched(r, (finished, without_covered(*names)))

    def shorter(parts: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return (*parts[:2], *parts[2 + len(names) :])

    def in_row(node: Expr, parts: tuple[Expr, ...]) -> Expr:
        return same(node.args[0], *shorter(parts))

    rows = tuple(
        replace(
            x,
            checks=tuple(
                replace(c, expr=substitute(c.expr, lambda v: v, in_row)) for c in x.checks
            ),
        )
        if x.name == CH_PSK
        else x
        for x in r.table
    )
    sends = dict(r.sends)
    if "ClientHello" in sends:
        binder = sends["ClientHello"]["binder"]
        assert isinstance(binder, tuple)
        sends["ClientHello"] = {**sends["ClientHello"], "binder": shorter(binder)}
    return replace(r, table=rows, sends=sends)


MUTANTS = {
    "a_session_keeps_its_parameters": c(
        "tls13-psk",
        without_rows("client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE"),
        with_rows(
            receive(
                "client", ServerHello, "WAIT_SH", "WAIT_EE", rfc="8446 4.2.11",
                when=(ServerHello.f.version == "TLS12") & (ServerHello.f.suite == "RSA")
                & (client.offered_psk != "none"),
                do={**take_hello, "psk": client.offered_psk}, label="old_version_with_a_key",
            )
        ),
    ),
    "a_key_is_selected_for_a_hello_of_who_has_it": s("tls13-psk", without_check(CH_PSK, "binder")),
    "a_ticket_is_taken_only_from_its_issuer_in_time": s("tls13-resumption", expired_and_taken()),
    "a_key_is_used_in_a_mode_that_was_offered": c(
        "tls13-psk", without_check(SH_PSK, "mode offered")
    ),
    "a_key_and_certificates_do_not_mix": s(
        "tls13-psk",
        with_rows(
            send(
                "server", CertificateRequest, "SEND_FINISHED", SAME, rfc="8446 4.3.2",
                when=server.psk != "none", do={"client_auth": const("optional", ClientAuth)},
                label="certificate_request_with_a_key",
            )
        ),
    ),
    "a_ticket_comes_after_finished": c(
        "tls13-psk",
        with_rows(
            receive(
                "client", NewSessionTicket, "WAIT_FINISHED", SAME, rfc="8446 4.6.1",
                do={"ticket": NewSessionTicket.f.ticket}, label="early_ticket",
            )
        ),
    ),
    "what_a_hello_answers_was_offered": c("tls13-psk", without_check(SH_PSK, "key offered")),
    "a_resumption_key_binds_the_whole_earlier_handshake": both(
        "tls13-resumption", unbound()
    ),
    "the_session_id_is_echoed": c("tls13-psk", without_check(SH_PSK, "session id echo")),
    "a_resumption_key_is_that_of_the_handshake_before": c(
        "tls13-early-data",
        with_effects(
            "client_send_client_hello_START_to_WAIT_SH",
            session_server_random=const("server0", ServerOwner),
        ),
    ),
    "a_key_is_offered_only_by_who_has_it": c(
        "tls13-early-data",
        with_effects(
            "client_send_client_hello_START_to_WAIT_SH", offered_psk=const("adversary", Psk)
        ),
    ),
    "without_a_key_there_is_an_exchange": s(
        "tls13", without_check("server_receive_client_hello_START_to_NEGOTIATED", "usable share")
    ),
}

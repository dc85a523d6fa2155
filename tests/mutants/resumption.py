"""Mutants of resumption."""

from __future__ import annotations

from dataclasses import replace

from model.expr import TRUE, Expr, disj
from model.extensions.resumption import hello
from model.flaws import Patch, without_check
from model.generations.negotiation import version
from model.rule import Role
from tests.mutants import Mutant, c, s, without_rows

CLIENT = "client_receive_server_hello_WAIT_SH_to_RES_WAIT_CCS"
SERVER = "server_receive_client_hello_START_to_RES_SEND_SH"
FULL = "server_receive_client_hello_START_to_SEND_SH"
ANY = (hello.session_id == "adversary") & (version <= "TLS12")


def effect(row: str, name: str, value: Expr) -> Patch:
    """A row that sets a variable to something else, or one that it did not set."""

    def patch(r: Role) -> Role:
        rows = [replace(x, do={**x.do, name: value}) if x.name == row else x for x in r.table]
        return replace(r, table=tuple(rows))

    return patch


def without_effect(row: str, name: str) -> Patch:
    """A row that does not set a variable."""

    def patch(r: Role) -> Role:
        rows = []
        for x in r.table:
            if x.name == row:
                assert name in x.do
                x = replace(x, do={n: e for n, e in x.do.items() if n != name})
            rows.append(x)
        return replace(r, table=tuple(rows))

    return patch


def selected(row: str, when: Expr, instead: str) -> Patch:
    """A row that is taken wherever `when` holds, and not the row `instead`."""

    def patch(r: Role) -> Role:
        rows = []
        for x in r.table:
            if x.name == row:
                x = replace(x, when=disj(x.when, when))
            elif x.name == instead:
                x = replace(x, when=x.when & ~when)
            rows.append(x)
        return replace(r, table=tuple(rows))

    return patch


MUTANTS = {
    "a_session_keeps_its_master_secret": s(
        "resumption-ems-optional", without_check(SERVER, "EMS of the session")
    ),
    "a_session_keeps_its_identities": c(
        "tls12-resumption", without_effect(CLIENT, "client_certificate")
    ),
    "a_session_is_resumed_by_its_own_name": s("resumption-suites", selected(SERVER, ANY, FULL)),
    "a_session_is_resumed_only_if_it_was_completed_well": s(
        "resumption-cache",
        effect("server_receive_finished_WAIT_FIN_to_SEND_CCS", "stored", TRUE),
        without_effect("server_send_finished_SEND_FIN_to_CONNECTED", "stored"),
    ),
    "a_session_is_shared_by_those_who_know_each_other": Mutant("tls12-resumption", {}),
    "a_second_handshake_completes_and_resumes_if_it_may": s(
        "resumption-honest", without_rows("server_send_finished_RES_SEND_FIN_to_RES_WAIT_CCS")
    ),
}

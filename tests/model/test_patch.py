"""Operations on a role: what each changes, what it says, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import model.flaws
from model import patch
from model.expr import BOOL, FALSE, TRUE, const, neg, replaced, var, variables
from model.message import ChangeCipherSpec, ClientHello, ServerHello
from model.patch import Operation, patched
from model.principal import Certificate, ClientOwner, Key, client
from model.role import Role, overlaps
from model.roles import role
from model.rule import SAME, ModelError, Rule, receive
from model.solver import satisfiable

ROW = "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD"
SENT = "client_send_client_key_exchange_SEND_CKE_to_SEND_CCS"
EXTRA = receive("client", ServerHello, "CONNECTED", SAME, rfc="x", label="extra")
OTHER = "client_receive_server_key_exchange_anonymous"
SHOWN = const("none", Certificate)


def row(of: Role, name: str = ROW) -> Rule:
    return next(x for x in of.table if x.name == name)


def names(of: Role) -> list[str]:
    return [c.name for c in row(of).checks]


CASES: list[tuple[Operation, str, Callable[[Role], bool]]] = [
    (
        patch.with_rows(EXTRA),
        "with rows extra",
        lambda r: r.table[-1].name == "extra",
    ),
    (
        patch.without_rows(ROW),
        f"without rows '{ROW}'",
        lambda r: ROW not in {x.name for x in r.table},
    ),
    (
        patch.with_sources(ROW, "WAIT_CR_SHD"),
        f"{ROW}: with sources 'WAIT_CR_SHD'",
        lambda r: row(r).sources == ("WAIT_SKE", "WAIT_CR_SHD"),
    ),
    (
        patch.without_sources(ROW, "WAIT_SKE"),
        f"{ROW}: without sources 'WAIT_SKE'",
        lambda r: row(r).sources == (),
    ),
    (
        patch.with_target(ROW, "CONNECTED"),
        f"{ROW}: with target 'CONNECTED'",
        lambda r: row(r).target == "CONNECTED",
    ),
    (patch.narrowed(ROW, FALSE), f"{ROW}: narrowed False", lambda r: row(r).when is FALSE),
    (patch.widened(ROW, TRUE), f"{ROW}: widened True", lambda r: row(r).when is TRUE),
    (
        patch.without_condition(SENT, "own.client_certificate != honest"),
        f"{SENT}: without condition 'own.client_certificate != honest'",
        lambda r: row(r, SENT).when is TRUE,
    ),
    (
        patch.without_check(ROW, "signature"),
        f"{ROW}: without check 'signature'",
        lambda r: names(r) == ["group fits suite"],
    ),
    (patch.without_check(ROW), f"{ROW}: without check", lambda r: names(r) == []),
    (
        patch.loosened(ROW, "signature", TRUE),
        f"{ROW}: loosened 'signature', True",
        lambda r: row(r).checks[1].expr is TRUE,
    ),
    (
        patch.with_alert(ROW, "signature", "internal_error"),
        f"{ROW}: with alert 'signature', 'internal_error'",
        lambda r: row(r).checks[1].alert == "internal_error",
    ),
    (
        patch.without_refusals(ROW),
        f"{ROW}: without refusals",
        lambda r: row(r).when is row(role("client")).guard and names(r) == [],
    ),
    (
        patch.with_effects(ROW, verified=TRUE),
        f"{ROW}: with effects verified = True",
        lambda r: list(row(r).do) == ["server_share", "group", "verified"],
    ),
    (
        patch.without_effects(ROW, "group"),
        f"{ROW}: without effects 'group'",
        lambda r: list(row(r).do) == ["server_share"],
    ),
    (
        patch.with_sent("Certificate", certificate=SHOWN),
        "with sent 'Certificate', certificate = none",
        lambda r: r.sends["Certificate"]["certificate"] is SHOWN,
    ),
    (
        patch.without_fields("Finished", "offer"),
        "without fields 'Finished', 'offer'",
        lambda r: (
            len(r.sends["Finished"]["verify_data"])
            == len(role("client").sends["Finished"]["verify_data"]) - 1
        ),
    ),
    (
        patch.without_covered("group"),
        "without covered 'group'",
        lambda r: "group" not in r.covered["secret"],
    ),
    (
        patch.with_observer("saw_server_hello", "ServerHello", FALSE),
        "with observer 'saw_server_hello', 'ServerHello', False",
        lambda r: FALSE in {o.value for o in r.observers},
    ),
    (
        patch.with_secret(erases=False),
        "with secret erases = False",
        lambda r: not r.schedule.erases,
    ),
]


CASES += [
    (
        patch.with_rows(EXTRA, first=True),
        "with rows extra, first = True",
        lambda r: r.table[-1].name == "extra",
    ),
    (patch.with_condition(ROW, TRUE), f"{ROW}: with condition True", lambda r: row(r).when is TRUE),
    (
        patch.with_under(ROW, "handshake"),
        f"{ROW}: with under 'handshake'",
        lambda r: str(row(r).under) == "handshake",
    ),
    (
        patch.with_view("client_random", const("adversary", ClientOwner)),
        "with view 'client_random', adversary",
        lambda r: "adversary" in [str(e) for e in r.sends["Finished"]["verify_data"]],
    ),
    (
        patch.with_term(client.max_version, client.min_version),
        "with term own.max_version, own.min_version",
        lambda r: (
            "own.max_version" not in map(str, r.sends["Finished"]["verify_data"])
            and "own.max_version" not in variables(*(x.guard for x in r.table))
        ),
    ),
    (
        patch.with_term(client.suite, const("RSA", client.suite.domain), ROW),
        f"with term own.suite, RSA, '{ROW}'",
        lambda r: "own.suite" not in variables(row(r).when),
    ),
    (
        patch.with_memory("met", "Certificate", TRUE),
        "with memory 'met', 'Certificate', True",
        lambda r: "met" in r.variables and "met" not in r.configuration,
    ),
    (
        patch.together(patch.with_target(ROW, "CONNECTED")),
        f"together {ROW}: with target 'CONNECTED'",
        lambda r: row(r).target == "CONNECTED",
    ),
    (
        patch.with_effects(ROW, server_certificate="honest"),
        f"{ROW}: with effects server_certificate = 'honest'",
        lambda r: str(row(r).do.get("server_certificate")) == "honest",
    ),
]


@pytest.mark.parametrize(("operation", "words", "holds"), CASES, ids=[w for _, w, _ in CASES])
def test_an_operation_says_what_it_does_and_does_it_once(
    operation: Operation, words: str, holds: Callable[[Role], bool]
) -> None:
    sound = role("client")
    assert str(operation) == words
    assert not holds(sound)
    changed = patched(sound, operation)
    assert holds(changed)
    if operation.row:
        assert [x.name for x in changed.table] == [x.name for x in sound.table]


def test_a_row_that_goes_first_narrows_the_others_where_it_is_due() -> None:
    sound = role("server")
    start = "server_receive_client_hello_START_to_SEND_SH"
    hello = ClientHello.f.deflate
    new = receive("server", ClientHello, "START", SAME, rfc="x", when=hello, label="new")
    flawed = patched(sound, patch.with_rows(new, first=True))
    assert not list(overlaps(flawed.rules, flawed.read_key))
    assert not satisfiable(row(flawed, start).when & hello)
    # In a state that the winner does not have, the other row is what it was.
    dropped = "server_receive_change_cipher_spec_dropped"
    (state, *rest) = row(sound, dropped).sources
    clear = row(sound, dropped).under
    take = receive("server", ChangeCipherSpec, state, SAME, rfc="x", label="take", under=clear)
    other = row(patched(sound, patch.with_rows(take, first=True)), dropped)
    here = var("own.state", sound.state_domain)
    assert not satisfiable(other.when & (here == state))
    assert satisfiable(other.when & (here == rest[0]))
    # A record under another key is not the winner's.
    kept = patched(sound, patch.with_rows(replace(take, under=const("empty", Key)), first=True))
    assert row(kept, dropped).when is row(sound, dropped).when


def test_a_widened_row_takes_precedence() -> None:
    wide = [patch.widened(ROW, TRUE), patch.takes_precedence(ROW)]
    assert str(wide[1]) == f"takes precedence '{ROW}'"
    assert row(patched(role("client"), wide), OTHER).when is FALSE
    flawed = patched(role("client"), wide)
    assert not list(overlaps(flawed.rules, flawed.read_key))


def test_a_term_is_replaced_in_a_longer_conjunction() -> None:
    a, b, c = (var(n, BOOL) for n in "abc")
    assert replaced(a & b & c, a & c, FALSE) is FALSE
    assert replaced(a & b & c, a & c, b) is b
    assert replaced(neg(a & b), a, c) is neg(c & b)
    assert replaced(a | b, c, a) is (a | b)


def test_a_patch_is_applied_in_order() -> None:
    first, then = patch.with_target(ROW, "CONNECTED"), patch.with_target(ROW, "WAIT_SHD")
    assert row(patched(role("client"), (first, [then]))).target == "WAIT_SHD"
    assert patched(role("client"), ()) is role("client")


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (patch.without_check("client_nothing"), "no row of the client is called 'client_nothing'"),
        (patch.without_rows(ROW.lower()), f"did you mean .*{ROW}"),
        (patch.without_check(ROW, "signatur"), "has no check 'signatur': it has .*signature"),
        (patch.loosened(ROW, "signatur", TRUE), "has no check 'signatur': it has .*signature"),
        (patch.without_condition(ROW, "x"), "has no condition 'x': it has own.suite in "),
        (patch.without_effects(ROW, "x"), "has no effect 'x': it has server_share, group"),
        (patch.without_sources(ROW, "START"), "has no source 'START': it has WAIT_SKE"),
        (patch.with_sent("Certificat"), "sends is called 'Certificat'; did you mean Certificate"),
        (patch.with_sent("Certificate", chain=TRUE), "'chain': expected one of certificate"),
        (patch.without_fields("Finishd", "x"), "'Finishd'; did you mean Finished"),
        (patch.without_fields("Finished", "offr"), "Finished does not cover 'offr'"),
        (patch.without_covered("grup"), "'grup'; did you mean group"),
        (patch.with_observer("saw", "ServerHello", TRUE), "'saw at ServerHello'; did you mean"),
        (patch.with_secret(erase=False), "'erase'; did you mean erases"),
        (patch.without_check(SENT), "that changes nothing in the client"),
        (patch.with_target(ROW, "WAIT_CR_SHD"), "that changes nothing in the client"),
        (patch.with_memory("saw_finished", "Finished", TRUE), "has a variable saw_finished"),
        (patch.with_memory("met", "Finishd", TRUE), "'Finishd'; did you mean Finished"),
        (patch.with_effects(ROW, verifed=True), "'verifed'; did you mean verified"),
        (patch.with_view("client_randm", TRUE), "'client_randm'; did you mean client_random"),
        (patch.with_under(ROW, None), "that changes nothing in the client"),
        (patch.with_secret(erases=True), "that changes nothing in the client"),
    ],
    ids=str,
)
def test_what_is_not_there_or_changes_nothing_is_an_error(operation: Operation, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        patched(role("client"), operation)


def test_a_function_of_a_row_or_a_role_is_an_operation() -> None:
    @patch.on_row
    def anywhere(row: Rule) -> Rule:
        return replace(row, sources=(*row.sources, "START"))

    assert str(anywhere(ROW)) == f"{ROW}: anywhere"
    assert row(patched(role("client"), anywhere(ROW))).sources == ("WAIT_SKE", "START")

    def plain(of: Role) -> Role:
        return replace(of, table=of.table[1:])

    assert len(patched(role("client"), plain).table) == len(role("client").table) - 1


def test_an_error_inside_an_operation_names_its_line() -> None:
    with pytest.raises(ModelError, match=r"test_patch.py:\d+: KeyError: 'nothing'"):
        patched(role("client"), lambda r: r.sends["nothing"])


def test_the_guide_has_every_operation() -> None:
    guide = Path(model.flaws.__file__).with_name("README.md").read_text()
    assert [n for n in patch.__all__ if f"`{n}" not in guide] == []

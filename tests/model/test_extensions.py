"""Extensions: each overlay alone, every pair, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.expr import TRUE, const
from model.extensions import ENDS, Amend, Extension, chosen, extended, extensions, with_needed
from model.role import overlaps
from model.roles import role
from model.rule import ModelError, Rule
from tests.sizes import deep_but

NAMES = sorted(extensions())


@pytest.mark.parametrize("name", deep_but(["retry", "session_ticket", "status_request"], NAMES))
def test_it_composes_with_any_other_or_says_why_not(name: str) -> None:
    """No row that checks a proof leaves out what an overlay adds to the transcript."""
    for other in NAMES[NAMES.index(name) :]:
        names = with_needed(name, other)
        try:
            chosen(names)
        except ModelError as e:
            assert "do not go together" in str(e), names
            continue
        ends = {end: role(end, names) for end in ENDS}
        for end, peer in ENDS.items():
            assert not list(overlaps(ends[end].rules, ends[end].read_key)), names
            base = {r.name for r in role(end).table}
            there = {r.name for r in ends[end].table}
            assert base <= there, f"{names}: an overlay adds and amends, it takes nothing away"
            for r in ends[end].table:
                if r.kind == "receive" and r.event in ("Finished", "CertificateVerify"):
                    least = len(ends[peer].covered[r.event])
                    assert all(n > least for n in lengths(r)), (names, r.name)


@pytest.mark.parametrize("name", NAMES)
def test_an_extension_says_what_it_is(name: str) -> None:
    e = extensions()[name]
    assert e.rfc and e.summary
    assert all(why for why in e.excludes.values())
    assert set(e.excludes) | set(e.needs) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_left_out_may_be_left_out(name: str) -> None:
    """Also of a message that gains no field: a key exchange with nothing in it, say."""
    there = {m.name: m for m in role("client", with_needed(name)).alphabet}
    for message, fields in extensions()[name].optional.items():
        if message not in there:  # a message of another extension
            continue
        assert not [f for f in fields if there[message].demands(f)]


def test_what_a_proof_covers_is_named_in_order() -> None:
    """The composites that are sent have one element for each name."""
    for names in [(), *((n,) for n in NAMES)]:
        for end in ("client", "server"):
            r = role(end, with_needed(*names))
            for message in ("Finished", "CertificateVerify", "ServerKeyExchange"):
                for parts in r.sends.get(message, {}).values():
                    if isinstance(parts, tuple):
                        assert len(parts) == len(r.covered[message])


def lengths(rule: Rule) -> list[int]:
    """The field and the elements of each comparison of composites in a row, counted."""
    out, stack = [], [c.expr for c in rule.checks]
    while stack:
        e = stack.pop()
        if e.op == "same":
            out.append(len(e.args))
        stack.extend(e.args)
    return out


def test_a_name_that_is_none_is_told_with_the_near_ones() -> None:
    with pytest.raises(LookupError, match=r"did you mean .*fallback"):
        role("client", ("falback",))


def _overlay(**change: object) -> Extension:
    return replace(Extension("mine", "0000 1", "a test"), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amends": (Amend("client_send_nothing"),)}, "not there; did you mean"),
        (
            {"amends": (Amend("client_receive_server_hello_WAIT_SH_to_WAIT_EE", without=("x",)),)},
            "has no check x",
        ),
        (
            {
                "amends": (
                    Amend(
                        "client_receive_server_hello_WAIT_SH_to_WAIT_EE", do={"keyed": const(True)}
                    ),
                )
            },
            "do not go together: both set keyed",
        ),
        (
            {"variables": {"client": {"version": role("client").variables["version"]}}},
            "already has a variable version",
        ),
        ({"fields": {"Hello": {}}}, "no message Hello"),
    ],
)
def test_a_malformed_overlay_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        extended(role("client"), (_overlay(**change),))


def test_an_overlay_that_changes_nothing_changes_nothing() -> None:
    sound = role("client")
    same = extended(
        sound, (_overlay(amends=(Amend("client_send_client_hello_START_to_WAIT_SH", when=TRUE),)),)
    )
    assert [r.name for r in same.rules] == [r.name for r in sound.rules]
    assert [r.guard for r in same.rules] == [r.guard for r in sound.rules]


def test_a_field_may_be_left_out_in_a_message_the_extension_adds_none_to() -> None:
    messages = {m.name: m for m in role("server", ("fixed_dh",)).alphabet}
    assert not messages["ClientKeyExchange"].demands("exchange")
    messages = {m.name: m for m in role("client", ("psk_suites",)).alphabet}
    assert not messages["ServerKeyExchange"].demands("share")

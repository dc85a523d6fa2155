"""The law of the adversary: what can be built can be delivered, whoever receives it.

A record is a protection, a message and the values of its fields. The law is held for every message
of both ends with any extension, in every local state, for random values of everything else. What
can be built is said here again, from the values alone: a field that names a maker needs a maker
that has shown the value; a record in the clear can always be written, one under a key if the key is
known. A signature, MAC or ciphertext is made up here, and so is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from model.adversary.network import Adversary, sent, sent_under
from model.expr import COMPOSITE, TRUE, Expr, Value, const, substitute
from model.extensions import ENDS, extensions, with_needed
from model.patch import patched, without_check, without_rows
from model.principal import ClientOwner, Key, ServerOwner
from model.roles import role
from model.rule import Form, Message
from model.system import OK, Instance, Source, Step, System
from tests.sizes import deep_but

PEER = {"client": "server0", "server": "client0"}
SETS = [(), *((n,) for n in sorted(extensions()))]
EVERYTHING = ("early_data", "retry", "key_update", "post_handshake_auth", "ignored_records")


@cache
def system(names: tuple[str, ...], network: Adversary | None = None) -> System:
    """One client and one server with the extensions `names`."""
    runs = tuple(Instance(f"{end}0", role(end, with_needed(*names))) for end in ENDS)
    return System("law", runs, network or Adversary())


@cache
def steps(of: System) -> dict[tuple[str, str], list[Step]]:
    """The receiving steps by run and message."""
    out: dict[tuple[str, str], list[Step]] = {}
    for s in of.raw_steps:
        if s.rule.kind == "receive":
            out.setdefault((s.run, s.rule.event), []).append(s)
    return out


def holds(e: Expr, values: Mapping[str, Value]) -> bool:
    """The value of a boolean expression."""
    done = substitute(e, lambda v: const(values[v.payload], v.domain))
    assert done.op == "const", done
    return bool(done.payload)


def valuation(of: System, rng: random.Random) -> dict[str, Value]:
    """A random value of every variable."""
    return {n: rng.choice(v.domain.values) for n, v in of.variables.items()}


def built(
    of: System, run: Instance, message: Message, now: Mapping[str, Value], rng: random.Random
) -> dict[str, Value]:
    """Random values of the fields that the adversary can build in `now`."""
    peer = PEER[run.role.name]
    out: dict[str, Value] = {}
    hidden = {message.encrypted.secret, message.encrypted.to} if message.encrypted else set()
    for f, d in message.fields.items():
        if d is COMPOSITE:
            out[f"msg.{f}{OK}"] = False
            continue
        able = [v for v in d.values if v != "none" or not message.demands(f)]
        if f in message.shown:
            carrier = message.shown[f]
            shown = carrier in of.by_name[peer].role.sends
            shown = shown and bool(now.get(sent(peer, carrier).payload))
            able = [v for v in able if v in ("adversary", "none") or (v == peer and shown)]
        elif f in message.knows or (f in hidden and d in (ClientOwner, ServerOwner)):
            able = [v for v in able if v in ("adversary", "none")]
        elif f in hidden:
            able = [v for v in able if v in ("honest", "adversary")]
        out[f"msg.{f}"] = rng.choice(able)
    for part, whole in message.parts.items():
        maker = out[f"msg.{whole}"]
        if maker not in ("adversary", "none"):
            made = of.at(str(maker), of.by_name[str(maker)].role.sends[message.name][part])
            d = message.fields[part]
            out[f"msg.{part}"] = next(v for v in d.values if holds(made == v, now))
    if "offer" in message.fields:
        out["msg.offer"] = "adversary"  # any lists
    return out


def takes(
    of: System,
    run: Instance,
    message: Message,
    fields: Mapping[str, Value],
    now: Mapping[str, Value],
    under: Value,
) -> list[Step]:
    """The steps that deliver the message in a record under the key `under`."""
    every = {**now, **fields}
    out = []
    for s in steps(of).get((run.name, message.name), []):
        key = s.rule.key(run.role.read_key)
        assert key is not None
        if now[f"{run.name}.state"] not in s.rule.sources:
            continue
        if message.form is Form.RECORD and not holds(of.at(run, key) == under, every):
            continue
        bound = {**every}
        for f, e in s.source.fields.items():
            if (
                isinstance(e, Expr)
                and f"msg.{f}" in bound
                and not holds(e == bound[f"msg.{f}"], every)
            ):
                break
        else:
            if holds(s.full, every):
                out.append(s)
    return out


def withheld(
    of: System, run: Instance, message: Message, state: str, rng: random.Random
) -> str | None:
    """A record that can be built and that no step delivers to `run` in `state`, if any."""
    now = {**valuation(of, rng), f"{run.name}.state": state}
    network = of.network
    key = f"{run.name}.read_key"
    now[key] = rng.choice(("plaintext", now[key], now[key]))
    if state == run.role.states[0] and not holds(of.at(run, run.role.begins), now):
        return None  # there is no run yet
    fields = built(of, run, message, now, rng)
    under = rng.choice(("plaintext", now[key]))
    if under != "plaintext":
        known = network.knows_key(of, run, const(under, Key))
        if not holds(known, now):
            return None
    if takes(of, run, message, fields, now, under):
        return None
    if under != now[key]:
        # No row takes the record under its key: it does not decrypt.
        garbled = next(m for m in run.role.alphabet if m.form is Form.GARBLED)
        if takes(of, run, garbled, {}, now, under):
            return None
    return f"{message.name} to {run.name} in {state} under {under}: {fields}"


def all_withheld(of: System, messages: Iterable[str] | None, seed: str, tries: int) -> list[str]:
    """The records that are withheld, of some tries for each message and local state."""
    rng = random.Random(seed)
    out = []
    for run in of.runs:
        for m in run.role.alphabet:
            if messages is not None and m.name not in messages:
                continue
            for state in run.role.states:
                if state not in run.role.final:
                    found = (withheld(of, run, m, state, rng) for _ in range(tries))
                    out += [x for x in found if x is not None]
    return out


@pytest.mark.parametrize(
    "names", deep_but([((),)], [(n,) for n in SETS]), ids=lambda n: "+".join(n) or "none"
)
def test_what_can_be_built_can_be_delivered(names: tuple[str, ...]) -> None:
    assert all_withheld(system(names), None, f"law {names}", 2) == []


@pytest.mark.deep
def test_what_can_be_built_can_be_delivered_with_many_extensions() -> None:
    assert all_withheld(system(EVERYTHING), None, "law", 6) == []


# -- the law can fail ------------------------------------------------------------------------------
class Withholding(Adversary):
    """An adversary that does not make up one message."""

    message: str

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> Iterable[Source]:
        """The sources of all messages but one."""
        return [] if message.name == self.message else super().sources(system, run, message, under)


MESSAGES = sorted({m.name for end in ENDS for m in role(end).alphabet})


@pytest.mark.parametrize("message", deep_but(["Alert", "ClientHello", "Finished"], MESSAGES))
def test_an_adversary_that_withholds_a_message_breaks_the_law(message: str) -> None:
    network = Withholding()
    object.__setattr__(network, "message", message)
    of = System("law", system(()).runs, network)
    assert all_withheld(of, [message], f"broken {message}", 2)


# -- whoever receives ------------------------------------------------------------------------------
def sources(of: System, run: Instance, message: Message) -> list[Any]:
    """The sources of a message, under the read key and in the clear."""
    out = []
    for under in (of.of(run, "read_key"), const("plaintext", Key)):
        for s in of.network.sources(of, run, message, under):
            fields = {f: e if isinstance(e, tuple) else (e,) for f, e in s.fields.items()}
            out.append(
                (
                    s.name,
                    id(s.when),
                    {f: tuple(map(id, e)) for f, e in fields.items()},
                    {f: id(e) for f, e in s.seals.items()},
                )
            )
    return out


@pytest.mark.parametrize("end", deep_but(["server"], ENDS))
def test_no_row_and_no_check_of_a_receiver_changes_a_source(end: str) -> None:
    """Each row and each check is taken out, alone."""
    sound = system(())
    run = sound.by_name[f"{end}0"]
    for row in run.role.table:
        if row.kind != "receive":
            continue
        for patch in (
            without_rows(row.name),
            *(without_check(row.name, c.name) for c in row.checks),
        ):
            changed = replace(run, role=patched(run.role, patch))
            other = tuple(changed if r is run else r for r in sound.runs)
            of = System("law", other, sound.network)
            assert row.message is not None
            assert sources(of, changed, row.message) == sources(sound, run, row.message), row.name


# -- who has sent what under which key -------------------------------------------------------------
def test_a_record_goes_under_the_write_key_of_its_sender() -> None:
    of = system(())
    by = {s.rule.event: s for s in of.raw_steps if s.run == "client0" and s.rule.kind == "send"}
    finished = by["Finished"].effects
    now = {n: v.initial[0] for n, v in of.variables.items()}
    for key in ("plaintext", "application", "handshake"):
        at = {**now, "client0.write_key": key}
        for k in ("plaintext", "application", "handshake"):
            effect = finished[sent_under("client0", "Finished", k).payload]
            assert holds(effect, at) is (k == key)
        assert finished[sent("client0", "Finished").payload] is TRUE

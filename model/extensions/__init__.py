"""Extensions of the handshake: one file each, an overlay on the tables of the generations.

A file defines `EXTENSION`: the added variables, states, messages, fields and rows, and the changes
to existing rows. A scenario names its extensions. Extensions compose: the additions of several
extensions to one row are joined. A pair that must not be combined is named in `excludes`; a role in
which two extensions set the same thing is a ModelError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from model.contents import renewed, with_new_term
from model.expr import FALSE, TRUE, Domain, Expr, conj, disj, ite, neg, same, substitute
from model.folder import modules
from model.generations.records import after_close
from model.near import hint, meant
from model.role import Edition, Observer, Role
from model.rule import Check, Message, ModelError, Rule, Variable, written
from model.schedule import KeySchedule
from model.transcript import earlier, hidden, view

ENDS = {"client": "server", "server": "client"}


@dataclass(frozen=True, eq=False)
class Amend:
    """A change to an existing row."""

    row: str
    """The name of the row."""
    when: Expr = TRUE
    """A condition added to the row's `when`."""
    also: Expr = FALSE
    """A condition that then selects the row as well, whatever `when` says."""
    sources: tuple[str, ...] = ()
    """Further source states."""
    checks: tuple[Check, ...] = ()
    """Further checks, after the row's own."""
    without: tuple[str, ...] = ()
    """The names of dropped checks; the extension has others in their place."""
    do: Mapping[str, Expr] = field(default_factory=dict)
    """Further effects; ModelError if the row already sets one of the variables."""
    instead: Mapping[str, Expr] = field(default_factory=dict)
    """Effects that replace the row's own."""
    first: tuple[Check, ...] = ()
    """Further checks, before the row's own."""
    unless: str = ""
    """The name of a row with precedence: wherever that row is selected, the amended row is not."""
    terms: tuple[tuple[Expr, Expr], ...] = ()
    """Pairs (old, new): `new` stands in the row wherever the term `old` stood."""
    of: str = ""
    """The extension without which the change is not made, usually the one that has the row."""


@dataclass(frozen=True, eq=False)
class Extension:
    """An overlay on the tables. A mapping by role has the keys "client" and "server".

    The proofs in the rows and editions are extended by the fields that other overlays add. A
    composite field of a hello without parts gets the fields that `KeySchedule.bound` demands.
    """

    name: str
    """The name in scenarios."""
    rfc: str
    """RFC and section numbers, as in a row."""
    summary: str
    """Half a line for listings."""
    variables: Mapping[str, Mapping[str, Variable]] = field(default_factory=dict)
    """By role: further variables."""
    states: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """By role and generation ("tls12", "tls13", or "" for both): further local states."""
    messages: tuple[Message, ...] = ()
    """Further messages."""
    fields: Mapping[str, Mapping[str, Domain]] = field(default_factory=dict)
    """By message: further fields. A message of an absent extension is skipped."""
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By message: fields that may be `none`."""
    record: tuple[str, ...] = ()
    """The names in `fields` that belong to the surrounding record."""
    sends: Mapping[str, Mapping[str, Mapping[str, Expr | tuple[Expr, ...]]]] = field(
        default_factory=dict
    )
    """By role, message and field: contents, which replace the old contents of the field."""
    views: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    """By role and field of the handshake: the value that the end holds."""
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further covered fields, by group. "secret": in the secret; "hellos": in every proof, in
    TLS 1.3 in the secret too; "flight": in every proof; "certificate": as that, but in TLS 1.3 not
    in the server's, which come before the client's Certificate; "early": in the key of early data
    alone; "client", "server": in the Finished and CertificateVerify of that end alone; "signed": in
    the signature of ServerKeyExchange."""
    signs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By message with a signature: fields of the same message that it covers."""
    rows: tuple[Rule, ...] = ()
    """Further rows."""
    amends: tuple[Amend, ...] = ()
    """Changes to existing rows."""
    terms: tuple[tuple[Expr, Expr], ...] = ()
    """Pairs (old, new): `new` stands wherever the term `old` stood, of whatever extension. A term
    of an absent extension stands nowhere."""
    every: Callable[[Role, Rule], Amend | None] | None = None
    """The change, if any, to each row of a role with all its extensions: rows that are chosen by
    what they do, not by name. Its `row`, `of` and `unless` are not read."""
    observers: Mapping[str, tuple[Observer, ...]] = field(default_factory=dict)
    """By role: further observers."""
    again: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    """By role and message: when a run may accept the message a second time."""
    editions: Mapping[str, Mapping[str, tuple[Edition, ...]]] = field(default_factory=dict)
    """By role and message that is sent more than once: the editions."""
    signer: Mapping[str, tuple[Expr, Expr]] = field(default_factory=dict)
    """By role: a condition, and the certificate that `Role.signer` is where the condition holds."""
    final: tuple[str, ...] = ()
    """Further states without any rows, reject rows included."""
    schedule: Mapping[str, KeySchedule] = field(default_factory=dict)
    """By role: further secrets of the key schedule."""
    begins: Mapping[str, Expr] = field(default_factory=dict)
    """By role: a further condition for a run to start, over `own` and `prev`."""
    shown: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By message: `Message.shown` of the added fields."""
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By message: `Message.parts` of the added fields."""
    knows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By message: `Message.knows` of the added fields."""
    needs: tuple[str, ...] = ()
    """The extensions that must be present too."""
    excludes: Mapping[str, str] = field(default_factory=dict)
    """By extension that cannot be combined with this one: the reason."""
    implied: bool = False
    """Whether the extension is present wherever all extensions in `needs` are."""


@cache
def extensions() -> dict[str, Extension]:
    """Every extension by name, in the order of the files."""
    found = {n: m.EXTENSION for n, m in modules(__name__, "EXTENSION").items()}
    return {
        e.name: replace(e, rows=written(e.rows, f"model/extensions/{n}.py"))
        for n, e in found.items()
    }


def own(added: Extension, file: str) -> None:
    """Make an extension outside the catalogue known by its name; ModelError if that is taken."""
    known = extensions()
    if added.name in known:
        raise ModelError(f"there is an extension {added.name}: give yours another name")
    known[added.name] = replace(added, rows=written(added.rows, file))


def with_needed(*names: str) -> tuple[str, ...]:
    """The extensions `names` and all that these need, sorted by name."""
    out = set(names)
    for n in names:
        out |= set(with_needed(*extensions()[n].needs))
    return tuple(sorted(out))


def chosen(names: Iterable[str]) -> tuple[Extension, ...]:
    """The extensions called `names` and the implied ones, in the order of application.

    An extension comes after the extensions that it needs or amends, and after those that add the
    messages to which it adds fields. UsageError for an unknown name;
    ModelError for a missing or an excluded extension.
    """
    every = extensions()
    out: dict[str, Extension] = {}
    begun: set[str] = set()

    def add(name: str, wanted: Sequence[str]) -> None:
        if name in begun:
            return
        begun.add(name)
        for n in every[name].needs:
            if n not in wanted:
                raise ModelError(f"extension {name} needs {n}, which the scenario does not have")
            add(n, wanted)
        for a in every[name].amends:
            if a.of in wanted:
                add(a.of, wanted)
        for n in wanted:
            if any(m.name in every[name].fields for m in every[n].messages):
                add(n, wanted)
        out[name] = every[name]

    wanted = {meant("extension", n, every) for n in names}
    while more := {e.name for e in every.values() if e.implied and set(e.needs) <= wanted} - wanted:
        wanted |= more
    names = sorted(wanted)
    for n in names:
        add(n, names)
    for a in out.values():
        for b, why in a.excludes.items():
            if b in out:
                raise ModelError(f"extensions {a.name} and {b} do not go together: {why}")
    return tuple(out.values())


def extended(role: Role, overlays: Sequence[Extension]) -> Role:
    """`role` with all that the overlays add and amend; ModelError if two overlays collide."""
    for e in overlays:
        role = _with(role, e)
    for old, new in (pair for e in overlays for pair in e.terms):
        role = with_new_term(role, old, new)
    rows = {r.name: r for r in role.table}
    for a in (a for e in overlays for a in e.amends if a.unless and a.row in rows):
        row = rows[a.row]
        rows[a.row] = replace(row, when=conj(row.when, neg(rows[a.unless].when)))
    role = replace(role, table=tuple(rows.values()))
    for e in overlays:
        if e.every is not None:
            found = ((r, e.every(role, r)) for r in role.table)
            rows = {r.name: r if a is None else _changed(r, a, e, role) for r, a in found}
            role = replace(role, table=tuple(rows.values()))
    late = written(after_close(role), "model/generations/records.py")
    return _proved(replace(role, table=(*role.table, *late)), overlays)


def _with(role: Role, e: Extension) -> Role:
    name = role.name

    def merged(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        twice = sorted(set(old) & set(new))
        if twice:
            raise ModelError(
                f"extension {e.name}: the {name} already has {what} {', '.join(twice)}"
                + (f" (it has {', '.join(role.extensions)})" if role.extensions else "")
            )
        return {**old, **new}

    messages = _messages(role, e)
    states = e.states.get(name, {})
    sends = dict(role.sends)
    for m, fields in e.sends.get(name, {}).items():
        if m in messages:
            sends[m] = {**sends.get(m, {}), **fields}
    signer = role.signer
    if name in e.signer:
        there, which = e.signer[name]
        signer = which if signer is None else ite(there, which, signer)
    again = e.again.get(name, {})
    return replace(
        role,
        states=tuple(dict.fromkeys((*role.states, *(n for g in states.values() for n in g)))),
        variables=merged("a variable", role.variables, e.variables.get(name, {})),
        table=tuple(with_messages(r, messages) for r in _table(role, e)),
        alphabet=tuple(messages.values()),
        sends=sends,
        views={**role.views, **e.views.get(name, {})},
        generations={
            g: tuple(dict.fromkeys((*s, *states.get(g, ())))) for g, s in role.generations.items()
        },
        observers=(*role.observers, *e.observers.get(name, ())),
        again={
            m: disj(role.again.get(m, FALSE), again.get(m, FALSE)) for m in (*role.again, *again)
        },
        schedule=role.schedule | e.schedule.get(name, KeySchedule()),
        begins=conj(role.begins, e.begins.get(name, TRUE)),
        extensions=(*role.extensions, e.name),
        editions=merged("editions of", role.editions, e.editions.get(name, {})),
        signer=signer,
        final=(*role.final, *e.final),
    )


def _table(role: Role, e: Extension) -> list[Rule]:
    """The rows of `role` and of `e`, as `e` amends them; ModelError for a missing row."""
    mine = (r for r in e.rows if r.role == role.name)
    rows = [_amended(r, e, role) for r in (*role.table, *mine)]
    here = {r.name for r in rows}
    for a in e.amends:
        ours = a.row.startswith(f"{role.name}_")
        if ours and a.row not in here and (not a.of or a.of in role.extensions):
            near = hint(a.row, here)
            raise ModelError(f"extension {e.name} amends {a.row}, which is not there{near}")
    return rows


def _theirs() -> set[str]:
    """The names of the messages that any extension adds."""
    return {m.name for e in extensions().values() for m in e.messages}


def _messages(role: Role, e: Extension) -> dict[str, Message]:
    out = {m.name: m for m in (*role.alphabet, *e.messages)}
    for name in dict.fromkeys((*e.fields, *e.optional)):
        fields = e.fields.get(name, {})
        if name not in out and name in _theirs():
            continue  # a message of an absent extension
        if name not in out:
            raise ModelError(f"extension {e.name}: no message {name}")
        m = out[name]
        twice = sorted(set(m.fields) & set(fields))
        if twice:
            raise ModelError(f"extension {e.name}: {name} already has a field {', '.join(twice)}")
        out[name] = replace(
            m,
            fields={**m.fields, **fields},
            optional=(*m.optional, *e.optional.get(name, ())),
            record=(*m.record, *(f for f in fields if f in e.record)),
            shown={**m.shown, **e.shown.get(name, {})},
            parts={**m.parts, **e.parts.get(name, {})},
            knows=(*m.knows, *e.knows.get(name, ())),
        )
    return out


def with_messages(rule: Rule, messages: Mapping[str, Message]) -> Rule:
    """The row with the message from `messages`, which may have more fields than the row's."""
    m = messages.get(rule.event) if rule.message is not None else None
    if m is None or rule.message is m:
        return rule
    choices = m.fields if rule.kind == "receive" else rule.choices
    return replace(rule, message=m, choices=choices)


def _amended(rule: Rule, e: Extension, role: Role) -> Rule:
    for a in e.amends:
        if a.row == rule.name and (not a.of or a.of in role.extensions):
            rule = _changed(rule, a, e, role)
    return rule


def _changed(rule: Rule, a: Amend, e: Extension, role: Role) -> Rule:
    for old, new in a.terms:
        rule = renewed(rule, old, new)
    missing = set(a.without) - {c.name for c in rule.checks}
    if missing:
        raise ModelError(
            f"extension {e.name}: {rule.name} has no check {', '.join(missing)}: it has "
            f"{', '.join(c.name for c in rule.checks) or 'none'}"
        )
    twice = sorted(set(rule.do) & set(a.do))
    if twice:
        raise ModelError(
            f"extension {e.name} and {', '.join(role.extensions) or 'the generations'} do not "
            f"go together: both set {', '.join(twice)} in {rule.name}"
        )
    # The name stays, whatever the row becomes: flaws and traces refer to rows by name.
    return replace(
        rule,
        label=rule.name,
        sources=(*rule.sources, *(s for s in a.sources if s not in rule.sources)),
        when=disj(conj(rule.when, a.when), a.also),
        checks=(*a.first, *(c for c in rule.checks if c.name not in a.without), *a.checks),
        do={**rule.do, **a.do, **a.instead},
    )


def takes(role: Role, rule: Rule, message: str, generation: str = "") -> bool:
    """Whether a row accepts `message` and with it goes on, to a state of `generation` if named."""
    there = role.generations[generation] if generation else role.states
    return rule.kind == "receive" and rule.event == message and rule.target in there


def unasked(what: str, there: Expr, asked: Expr) -> tuple[Check, Check]:
    """The checks of an answer in a message of TLS 1.3 that is not for it (RFC 8446 4.2)."""
    return (
        Check(f"{what} asked for", ~there | asked, "unsupported_extension"),
        Check(f"no {what} here", ~there, "illegal_parameter"),
    )


_HELLOS = ("ClientHello", "ServerHello")
_HEADS = {"Finished": 1, "CertificateVerify": 2}
"""By message: how many elements at the head of the proof are not fields (label and key)."""
_COMPOSED = (*_HEADS, *_HELLOS, "ServerKeyExchange")


def _proved(role: Role, overlays: Sequence[Extension]) -> Role:
    """`role` with every composite extended by the fields that the overlays cover."""
    proofs = _proofs(role, overlays)
    return replace(
        proofs.role,
        table=tuple(map(proofs.row, role.table)),
        observers=tuple(map(proofs.observer, role.observers)),
        sends={m: proofs.sent(m, f) for m, f in role.sends.items()},
        editions={
            m: tuple(replace(e, fields=proofs.sent(m, e.fields)) for e in times)
            for m, times in role.editions.items()
        },
    )


def _proofs(role: Role, overlays: Sequence[Extension]) -> _Proofs:
    """The fields that proofs cover with the overlays, and `role` with the extended groups."""

    def said(group: str) -> tuple[str, ...]:
        return tuple(n for e in overlays for n in e.covers.get(group, ()))

    certificate = said("certificate")

    inside: dict[str, tuple[str, ...]] = {}
    for e in overlays:
        for m, names in e.signs.items():
            inside[m] = (*inside.get(m, ()), *names)

    views, covered = dict(role.views), dict(role.covered)
    secret = said("secret")
    covered["certificate"] = certificate
    for group in ("secret", "hellos", "early"):
        covered[group] = (*covered.get(group, ()), *said(group))
    more = (*said("hellos"), *said("flight"), *certificate)
    covered["flight"] = (*covered.get("flight", ()), *more)
    if role.schedule.hashed is not FALSE:
        hashed = {f"hash.{n}": hidden(role.schedule.hashed, views[n]) for n in covered["flight"]}
        views |= hashed
        covered["secret"] = (*covered["secret"], *hashed)
        secret = (*secret, *hashed)
    before: tuple[Expr, ...] = ()
    if role.schedule.bound is not FALSE:
        whole = replace(role, views=views, covered=covered)
        names = (*(f"secret.{n}" for n in covered["secret"]), *covered["flight"])
        before = tuple(earlier(view(whole, n)) for n in names)
        bound = (hidden(role.schedule.bound, e) for e in before)
        added = dict(zip((f"before.{n}" for n in names), bound, strict=True))
        views |= added
        for group in ("hellos", "flight"):
            covered[group] = (*covered[group], *added)
        more = (*more, *added)
    layout = {
        (m, sender): (
            *role.covered.get(m, ()),
            *((f"secret.{n}" for n in secret) if m == "Finished" else ()),
            *more,
            *said(sender),
        )
        for m in _HEADS
        for sender in ENDS
    }
    covered |= {m: layout[m, role.name] for m in _HEADS if m in covered}
    if "ServerKeyExchange" in covered:
        covered["ServerKeyExchange"] = (*covered["ServerKeyExchange"], *said("signed"))
    base = {m: len(role.covered.get(m, ())) for m in _HEADS}
    covered |= {m: (*covered[m], *names) for m, names in inside.items() if m in covered}
    whole = replace(role, views=views, covered=covered)
    return _Proofs(whole, base, layout, said("signed"), before, inside)


@dataclass(frozen=True, eq=False)
class _Proofs:
    """The elements of the composites in a role's messages."""

    role: Role
    base: Mapping[str, int]
    """By message: the number of elements of the proof without extensions."""
    layout: Mapping[tuple[str, str], tuple[str, ...]]
    """By message and sender: the elements of the proof; those of that sender alone come last."""
    signed: tuple[str, ...]
    """The further fields under the signature of ServerKeyExchange."""
    before: tuple[Expr, ...]
    """The fields of the previous handshake that the hellos carry."""
    inside: Mapping[str, tuple[str, ...]]
    """By message: fields of the same message under its signature."""

    def full(
        self, message: str, sender: str, parts: tuple[Expr, ...], says: Any
    ) -> tuple[Expr, ...]:
        """The whole composite of a message that `says` what its fields say, made from the `parts`
        in its row or edition."""
        inside = [says[n] for n in self.inside.get(message, ())]
        if message == "ServerKeyExchange":
            return (*parts, *(self.role.views[n] for n in self.signed), *inside)
        if message in _HELLOS:
            return parts or self.before
        head, end = _HEADS[message], self.base[message]
        held = [
            view(self.role, n, server_proof=sender == "server")
            for n in self.layout[message, sender][head:]
        ]
        # The further parts of a row or edition come after the fields that every proof covers.
        return (*parts[:head], *held[: end - head], *parts[end:], *held[end - head :], *inside)

    def row(self, rule: Rule) -> Rule:
        """The row; a row that checks a composite checks the whole composite."""
        if rule.kind != "receive" or rule.event not in _COMPOSED:
            return rule

        checks = (replace(c, expr=self._received(rule.event, c.expr)) for c in rule.checks)
        return replace(rule, checks=tuple(checks))

    def observer(self, of: Observer) -> Observer:
        """The observer; one that compares a composite compares the whole composite."""
        if of.kind != "receive" or of.event not in _COMPOSED:
            return of
        return replace(of, value=self._received(of.event, of.value))

    def _received(self, message: str, expr: Expr) -> Expr:
        (says,) = (m.f for m in self.role.alphabet if m.name == message)

        def anew(node: Expr, parts: tuple[Expr, ...]) -> Expr:
            return same(node.args[0], *self.full(message, ENDS[self.role.name], parts, says))

        return substitute(expr, lambda v: v, anew)

    def sent(self, message: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a sent message; a composite field is the whole composite."""
        if message not in _COMPOSED:
            return fields
        says = {**self.role.sends[message], **fields}
        return {
            f: self.full(message, self.role.name, v, says) if isinstance(v, tuple) else v
            for f, v in fields.items()
        }

"""Extensions of the handshake: one file each, an overlay on the tables of the generations.

A file defines `EXTENSION`: the variables, states, messages, fields and rows it adds, and how it
amends rows that are there. A scenario names the extensions it has; without one nothing of it is
there. Extensions compose: what two of them add to a row is joined. Where they may not, one says so
in `excludes`; where both set the same thing, building the role is an error.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from model.expr import FALSE, TRUE, Domain, Expr, conj, disj, ite, same, substitute
from model.rule import Check, Edition, Message, ModelError, Observer, Role, Rule, Variable

ENDS = {"client": "server", "server": "client"}


@dataclass(frozen=True, eq=False)
class Amend:
    """A change to the row called `row`, where it is there.

    `when` narrows its selection, `sources` are further states it leaves, `checks` come after its
    own, `without` names those of its checks whose place the extension's own rows or checks take;
    `do` are further effects, `instead` those that take the place of its own.
    """

    row: str
    when: Expr = TRUE
    sources: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    without: tuple[str, ...] = ()
    do: Mapping[str, Expr] = field(default_factory=dict)
    instead: Mapping[str, Expr] = field(default_factory=dict)
    of: str = ""
    """The extension without which it is not made, most often that of the row; may be empty."""


@dataclass(frozen=True, eq=False)
class Extension:
    """An overlay. Everything by role is keyed "client", "server".

    `fields` are added to messages that are there (those of another extension only if it is);
    `sends` gives their values (or those of a field that was there, which it replaces); `under` is
    the record key of a new message, over the sender's variables. `views` is what each end holds of
    a further field of the handshake, or, with the name of one that was there, what it holds of that
    one now; `covers` says what proves it: "secret" (it is part of the key), "hellos" (in every
    proof and, in TLS 1.3, in the key), "flight" (in every proof), "early" (in the key of early data
    alone), "client" or "server" (only in that end's Finished and CertificateVerify), "signed" (in
    the signature of ServerKeyExchange). `again` says when an end may take a message a second time,
    `editions` tell the times apart that an end sends a message. `signer` is the certificate of a
    signature that an end checks, and when it is that one. `final` are states in which nothing is
    taken any more, and nothing refused. What the rows and editions prove covers what the other
    overlays add, too.
    """

    name: str
    rfc: str
    summary: str
    variables: Mapping[str, Mapping[str, Variable]] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """By role, then by generation ("tls12", "tls13"; empty for a state of no single one)."""
    messages: tuple[Message, ...] = ()
    fields: Mapping[str, Mapping[str, Domain]] = field(default_factory=dict)
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    record: tuple[str, ...] = ()
    """Those of `fields`, of whichever message, that belong to the record around it."""
    sends: Mapping[str, Mapping[str, Mapping[str, Expr | tuple[Expr, ...]]]] = field(
        default_factory=dict
    )
    under: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    views: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[Rule, ...] = ()
    amends: tuple[Amend, ...] = ()
    observers: Mapping[str, tuple[Observer, ...]] = field(default_factory=dict)
    again: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    editions: Mapping[str, Mapping[str, tuple[Edition, ...]]] = field(default_factory=dict)
    signer: Mapping[str, tuple[Expr, Expr]] = field(default_factory=dict)
    final: tuple[str, ...] = ()
    unexchanged: Mapping[str, Expr] = field(default_factory=dict)
    inherits: Mapping[str, Expr] = field(default_factory=dict)
    shared: Mapping[str, Expr] = field(default_factory=dict)
    early_inherits: Mapping[str, Expr] = field(default_factory=dict)
    earlier_seals: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    early_shared: Mapping[str, Expr] = field(default_factory=dict)
    shared_seals: Mapping[str, Mapping[str, Expr]] = field(default_factory=dict)
    begins: Mapping[str, Expr] = field(default_factory=dict)
    """These eight: see `Role`."""
    needs: tuple[str, ...] = ()
    excludes: Mapping[str, str] = field(default_factory=dict)
    implied: bool = False
    """It is there wherever all that it needs are."""


@cache
def extensions() -> dict[str, Extension]:
    """Every extension by name, sorted by file."""
    out: dict[str, Extension] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda i: i.name):
        found = importlib.import_module(f"{__name__}.{info.name}").EXTENSION
        out[found.name] = found
    return out


def with_needed(*names: str) -> tuple[str, ...]:
    """The names and those of the extensions they need, sorted."""
    out = set(names)
    for n in names:
        out |= set(with_needed(*extensions()[n].needs))
    return tuple(sorted(out))


def chosen(names: Iterable[str]) -> tuple[Extension, ...]:
    """The extensions called `names`, each after those that it needs or whose rows it amends.

    LookupError for a name that is none, ModelError where two may not go together or one is missing.
    """
    every = extensions()
    out: dict[str, Extension] = {}
    begun: set[str] = set()

    def add(name: str, wanted: Sequence[str]) -> None:
        if name in begun:
            return
        begun.add(name)
        if name not in every:
            near = difflib.get_close_matches(name, list(every), 3, 0.4) or list(every)
            raise LookupError(f"no extension is called {name!r}; did you mean {', '.join(near)}?")
        for n in every[name].needs:
            if n not in wanted:
                raise ModelError(f"extension {name} needs {n}, which the scenario does not have")
            add(n, wanted)
        for a in every[name].amends:
            if a.of in wanted:
                add(a.of, wanted)
        out[name] = every[name]

    wanted = set(names)
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
    """`role` with the overlays' rows, variables, states and fields; ModelError if two collide.

    The observers are not touched but for those that an overlay adds.
    """
    for e in overlays:
        role = _with(role, e)
    return role


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
    variables = merged("a variable", role.variables, e.variables.get(name, {}))
    views = {**role.views, **e.views.get(name, {})}
    generations = {
        g: (*s, *(n for n in e.states.get(name, {}).get(g, ()) if n not in s))
        for g, s in role.generations.items()
    }
    more = [n for group in e.states.get(name, {}).values() for n in group if n not in role.states]
    states = (*role.states, *dict.fromkeys(more))
    sends = dict(role.sends)
    for m, fields in e.sends.get(name, {}).items():
        if m in messages:
            sends[m] = {**sends.get(m, {}), **fields}
    covered = _covered(role, e)
    rows = [_amended(r, e, role) for r in e.rows if r.role == name]
    table = [_amended(r, e, role) for r in role.table]
    here = {r.name for r in (*table, *rows)}
    for a in e.amends:
        ours = a.row.startswith(f"{name}_")
        if ours and a.row not in here and (not a.of or a.of in role.extensions):
            near = difflib.get_close_matches(a.row, here, 3, 0.4)
            raise ModelError(
                f"extension {e.name} amends {a.row}, which is not there; did you mean {near}?"
            )
    proofs = _Proofs(role, e, views)
    before = [_Proofs(role, x, views) for x in chosen(role.extensions)]
    editions = dict(e.editions.get(name, {}))
    for p in before:
        rows = [p.row(r) for r in rows]
        editions = p.editions(editions)
    table += rows
    editions = proofs.editions(merged("editions of", role.editions, editions))
    signer = role.signer
    if name in e.signer:
        there, which = e.signer[name]
        signer = which if signer is None else ite(there, which, signer)
    return replace(
        role,
        states=states,
        variables=variables,
        table=tuple(proofs.row(with_messages(r, messages)) for r in table),
        alphabet=tuple(messages.values()),
        sends={m: proofs.sent(m, f) for m, f in sends.items()},
        views=views,
        covered=covered,
        under=merged("a key of", role.under, e.under.get(name, {})),
        generations=generations,
        observers=(*role.observers, *e.observers.get(name, ())),
        again={
            m: disj(role.again.get(m, FALSE), e.again.get(name, {}).get(m, FALSE))
            for m in dict.fromkeys((*role.again, *e.again.get(name, {})))
        },
        unexchanged=disj(role.unexchanged, e.unexchanged.get(name, FALSE)),
        inherits=disj(role.inherits, e.inherits.get(name, FALSE)),
        shared=disj(role.shared, e.shared.get(name, FALSE)),
        early_inherits=disj(role.early_inherits, e.early_inherits.get(name, FALSE)),
        earlier_seals=merged("a seal of", role.earlier_seals, e.earlier_seals.get(name, {})),
        early_shared=disj(role.early_shared, e.early_shared.get(name, FALSE)),
        shared_seals=merged("a seal of", role.shared_seals, e.shared_seals.get(name, {})),
        begins=conj(role.begins, e.begins.get(name, TRUE)),
        extensions=(*role.extensions, e.name),
        editions=editions,
        signer=signer,
        final=(*role.final, *e.final),
    )


def _theirs() -> set[str]:
    """The messages that extensions add."""
    return {m.name for e in extensions().values() for m in e.messages}


def _messages(role: Role, e: Extension) -> dict[str, Message]:
    out = {m.name: m for m in (*role.alphabet, *e.messages)}
    for name in dict.fromkeys((*e.fields, *e.optional)):
        fields = e.fields.get(name, {})
        if name not in out and name in _theirs():
            continue  # of an extension that is not here
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
        )
    return out


def with_messages(rule: Rule, messages: Mapping[str, Message]) -> Rule:
    """The row with the message of its name in `messages`, which may have more fields."""
    m = messages.get(rule.event) if rule.message is not None else None
    if m is None or rule.message is m:
        return rule
    choices = m.fields if rule.kind == "receive" else rule.choices
    return replace(rule, message=m, choices=choices)


def _amended(rule: Rule, e: Extension, role: Role) -> Rule:
    for a in e.amends:
        if a.row != rule.name or (a.of and a.of not in role.extensions):
            continue
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
        # The name stays, whatever the row becomes: flaws and traces go by it.
        rule = replace(
            rule,
            label=rule.name,
            sources=(*rule.sources, *(s for s in a.sources if s not in rule.sources)),
            when=conj(rule.when, a.when),
            checks=(*(c for c in rule.checks if c.name not in a.without), *a.checks),
            do={**rule.do, **a.do, **a.instead},
        )
    return rule


_PROOFS = ("Finished", "CertificateVerify")
_COMPOSED = (*_PROOFS, "ServerKeyExchange")


def _covered(role: Role, e: Extension) -> dict[str, tuple[str, ...]]:
    """The names of what each group and each proof of the role covers, the overlay's last."""
    out = dict(role.covered)
    c = e.covers
    for group in ("secret", "hellos", "flight", "early"):
        out[group] = (*out.get(group, ()), *c.get(group, ()))
    out["flight"] = (*out["flight"], *c.get("hellos", ()))
    for m in _PROOFS:
        if m in out:
            out[m] = (*out[m], *_parts(e, m, role.name))
    if "ServerKeyExchange" in out:
        out["ServerKeyExchange"] = (*out["ServerKeyExchange"], *c.get("signed", ()))
    return out


def _parts(e: Extension, message: str, sender: str) -> tuple[str, ...]:
    c = e.covers
    if message == "ServerKeyExchange":
        return c.get("signed", ())
    plain = (*c.get("hellos", ()), *c.get("flight", ()), *c.get(sender, ()))
    secret = tuple(f"secret.{n}" for n in c.get("secret", ())) if message == "Finished" else ()
    return (*secret, *plain)


class _Proofs:
    """Adds what an overlay covers to the composites that a role makes and checks.

    A view that takes the place of one that was there takes its place in the composites, too.
    """

    def __init__(self, role: Role, e: Extension, views: Mapping[str, Expr]) -> None:
        self.role, self.extension, self.views = role.name, e, views
        self.layout = role.covered
        self.replaced = {n for n in e.views.get(role.name, {}) if n in role.views}

    def _longer(self, message: str, sender: str, parts: tuple[Expr, ...]) -> tuple[Expr, ...]:
        names = [n.removeprefix("secret.") for n in self.layout.get(message, ())]
        old = [
            self.views[n] if n in self.replaced else p for n, p in zip(names, parts, strict=False)
        ]
        more = _parts(self.extension, message, sender)
        return (
            *old,
            *parts[len(old) :],
            *(self.views[n.removeprefix("secret.")] for n in more),
        )

    def row(self, rule: Rule) -> Rule:
        """A receiving row, its comparisons longer."""
        sender = ENDS.get(self.role, "")
        if rule.kind != "receive" or rule.event not in _COMPOSED:
            return rule

        def longer(node: Expr, parts: tuple[Expr, ...]) -> Expr:
            return same(node.args[0], *self._longer(rule.event, sender, parts))

        checks = tuple(
            replace(c, expr=substitute(c.expr, lambda v: v, longer)) for c in rule.checks
        )
        return replace(rule, checks=checks)

    def sent(
        self, message: str, fields: Mapping[str, Expr | tuple[Expr, ...]]
    ) -> Mapping[str, Expr | tuple[Expr, ...]]:
        """The fields of a sent message, its composite longer."""
        if message not in _COMPOSED:
            return fields
        return {
            f: self._longer(message, self.role, v) if isinstance(v, tuple) else v
            for f, v in fields.items()
        }

    def editions(self, of: Mapping[str, tuple[Edition, ...]]) -> dict[str, tuple[Edition, ...]]:
        """The editions of each message, their composites longer."""
        return {
            m: tuple(replace(e, fields=self.sent(m, e.fields)) for e in times)
            for m, times in of.items()
        }

"""The Dolev-Yao adversary that is the network itself.

There are no queues: a run receives any message the adversary can build. It chooses plaintext
fields freely at the moment of receipt; a protected term it can only replay from what honest runs
sent, or build if it knows the key. Its knowledge is not stored: "it has seen this message" is the
grow-only `sent_M` of the sending run, "it knows this key" an expression over the variables that
the key is made of. So it is unlimited, and a state is the runs' own variables.

A message can come from three kinds of source:

- `forged`: the record written by the adversary, under the receiver's read key, which it must know;
  a signature, MAC or encryption inside is right only if it knows that key too;
- `C via adversary`: such a record around what run C signed, MACed or encrypted, if it could read
  that;
- `C`: the very record that run C sent, where both have the same record key.

Limits: no algebra of Diffie-Hellman, no degenerate groups, no record sequence numbers (a record can
be replayed within its key); breaking a weak key is instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model import schedule
from model.adversary.capabilities import capabilities, leaks
from model.expr import BOOL, FALSE, TRUE, Expr, conj, const, disj, eq, implies, ite, neg, var
from model.principal import ClientOwner, Key, client, server
from model.rule import Form, Message, Variable, composites
from model.schedule import CERTIFICATE, MASTER, RESUMPTION, TRAFFIC
from model.system import Instance, Network, Source, System
from model.transcript import RSA_SUITES, agree, same_keys, same_secret

ADVERSARYS_KEY = ("adversary", "unknown_ca", "expired", "wrong_name")
"""Certificates whose private key the adversary holds."""

TRAFFIC_KEYS = ("handshake", "application")
"""The record keys of traffic secrets that a run can lose."""


def sent(run: str, message: str) -> Expr:
    """The adversary has seen `message` of `run`."""
    return var(f"{run}.sent_{message}", BOOL)


@dataclass(frozen=True)
class Adversary(Network):
    """The network as adversary, with its capabilities beyond the network."""

    capabilities: tuple[str, ...] = ()
    """Names of files in `model.adversary.capabilities`."""
    fresh: bool = False
    """In a hello or key exchange of its own it uses what was made in the same round only, and its
    own: no random, offer or premaster of a handshake before. It replays their records all the
    same."""

    def _at_hand(self, system: System, run: Instance, maker: Instance) -> bool:
        """Whether it uses what `maker` made in what it makes up for `run`."""
        return not self.fresh or system.round_of(run) == system.round_of(maker)

    def broken(self, weak: Expr) -> Expr:
        """The adversary gets a private key that is export-grade when `weak`."""
        found = [capabilities()[c] for c in self.capabilities]
        return disj(*(c.breaks(weak) for c in found if hasattr(c, "breaks")))

    def lost(self, system: System, kind: str, by: Iterable[Instance] | None = None) -> Expr:
        """One of the runs `by` (default: all) has lost a secret of that kind to the adversary."""
        names = [x.message.name for x in leaks(self.capabilities) if x.gives == kind]
        runs = system.runs if by is None else by
        return disj(*(sent(r.name, m) for r in runs for m in names if m in r.role.sends))

    def owns(self, system: System, certificate: Expr, whose: str) -> Expr:
        """The adversary has the private key of a certificate shown for the "client" or "server"."""
        lost = self._private_key(system, whose)
        return certificate.one_of(*ADVERSARYS_KEY) | ((certificate == "honest") & lost)

    def _private_key(self, system: System, whose: str) -> Expr:
        return self.lost(system, CERTIFICATE, (r for r in system.runs if r.role.name == whose))

    # -- knowledge -------------------------------------------------------------------------------
    def knows(self, system: System, run: Instance, kind: str) -> Expr:
        """The adversary has a secret of `run`; one of any other kind, if it was lost."""
        match kind:
            case schedule.MASTER:
                return self._knows_master(system, run)
            case schedule.TRAFFIC:
                return self._knows_traffic_key(system, run)
            case schedule.RESUMPTION:
                return self._knows_earlier(system, run)
            case schedule.CERTIFICATE:
                peer = "server" if run.role.name == "client" else "client"
                shown = run.role.signer
                return FALSE if shown is None else self.owns(system, system.at(run, shown), peer)
        return self.lost(system, kind)

    def _client_secret(self, system: System) -> Expr:
        """The adversary can compute what a client's master secret is made from (over `own`)."""
        own = client
        # In TLS 1.3 a missing share adds zeros.
        theirs = (own.server_share == "adversary") | (
            (own.version == "TLS13") & (own.server_share == "none")
        )
        rsa = ite(
            own.group == "rsa_weak",
            theirs | self.broken(own.group == "rsa_weak"),
            self.owns(system, own.server_certificate, "server")
            | (own.fixed_dh & self._private_key(system, "client")),
        )
        dh = theirs | self.broken(own.group == "dh_weak")
        return ite(own.suite.one_of(*RSA_SUITES, "DH_RSA"), rsa, dh)

    def _knows_master(self, system: System, run: Instance) -> Expr:
        """The adversary knows the master secret (TLS 1.3: the handshake secret) of `run`."""
        made = run.role.schedule
        return conj(
            self._knows_exchange(system, run) | system.at(run, made.unexchanged),
            *(
                implies(system.at(run, part), self.knows(system, run, kind))
                for kind, part in made.secret.items()
            ),
        )

    def _knows_earlier(self, system: System, run: Instance) -> Expr:
        """The adversary knows what `run` takes over from the same end's handshake before it."""
        if run.prev is None:
            return FALSE
        prev = system.by_name[run.prev]
        read = []
        for q in system.runs:
            exposed = system.at(q, q.role.schedule.exposes) | self.lost(system, RESUMPTION, (q,))
            if exposed is not FALSE:
                equal = TRUE if q is prev else FALSE
                if q.role.name != prev.role.name:
                    equal = same_secret(system, prev, q)
                read.append(conj(exposed, equal))
        return disj(self._knows_master(system, prev), *read)

    def _knows_exchange(self, system: System, run: Instance) -> Expr:
        """The adversary knows what the exchange adds to the secret of `run`."""
        if run.role.name == "client":
            return system.at(run, self._client_secret(system))
        own = server
        clients = [c for c in system.runs if c.role.name == "client"]
        made = own.exchange.one_of("adversary", *(c.name for c in clients))
        weak = (own.suite == "RSA_EXPORT") | (own.suite == "DHE_EXPORT")
        weak = weak | ((own.suite == "DHE") & own.weak_dh)
        none = (own.version == "TLS13") & (own.exchange == "none")
        mine = (own.exchange == "adversary") | none | (made & self.broken(weak))
        fixed = own.exchange == "fixed"
        static = (own.suite == "DH_RSA") & (made | fixed) & self._private_key(system, "server")
        mine = mine | static | (fixed & self._private_key(system, "client"))
        theirs = [
            (system.of(run, "exchange") == c.name) & self._knows_premaster(system, c, m)
            for c in clients
            for m in c.role.alphabet
            if m.encrypted is not None
        ]
        rsa = system.at(run, own.suite.one_of(*RSA_SUITES))
        return disj(system.at(run, mine), conj(rsa, disj(*theirs)))

    def _knows_premaster(self, system: System, run: Instance, message: Message) -> Expr:
        """The adversary knows the premaster that `run` made and encrypted in `message`."""
        assert message.encrypted is not None
        return conj(
            self._read(system, run, message.name),
            system.at(run, message.encrypted.when[run.role.name]),
            self._knows_exchange(system, run),
        )

    def knows_key(self, system: System, run: Instance, key: Expr) -> Expr:
        """The adversary knows the record key `key` (a Key over global variables) of `run`."""
        parts = {k: system.at(run, part) for k, part in run.role.schedule.early.items()}
        early = disj(
            neg(disj(*parts.values())),  # made of no secret
            *(part & self.knows(system, run, kind) for kind, part in parts.items()),
        )
        lost = disj(*((key == k) & self.lost_traffic_secret(system, run, k) for k in TRAFFIC_KEYS))
        now = self._knows_master(system, run) | lost
        if run.takes_over and run.prev is not None:
            before = self._knows_traffic_key(system, system.by_name[run.prev])
            now = ite(key == "previous", before, now)
        known = ite(key == "early", early, now)
        return ite(key.one_of("plaintext", "empty"), TRUE, known)

    def lost_traffic_secret(self, system: System, run: Instance, key: str) -> Expr:
        """A traffic secret of `run`, "handshake" or "application", was lost by an end that had it:
        that secret alone, not the one that it is derived from."""
        name = f"lost_{key}"
        return disj(
            *(
                system.of(q, name) & (TRUE if q is run else same_secret(system, run, q))
                for q in system.runs
                if f"{q.name}.{name}" in system.variables
                and (q is run or q.role.name != run.role.name)
            )
        )

    def _knows_traffic_key(self, system: System, run: Instance) -> Expr:
        """The adversary knows a session key that `run` reads or writes with."""
        keys = [system.of(run, n) for n in ("read_key", "write_key")]
        public = [k == "empty" for k in keys]
        lost = [
            disj(*(k == t for k in keys)) & self.lost_traffic_secret(system, run, t)
            for t in TRAFFIC_KEYS
        ]
        keyed = system.of(run, "keyed")
        return disj(*public, *lost, conj(keyed, self._knows_master(system, run)))

    def _same_record_key(self, system: System, a: Instance, b: Instance, under: Expr) -> Expr:
        """What `b` sent under the key `under` is under the key that `a` reads with."""
        read = system.of(a, "read_key")
        now = disj(*((under == k) & (read == k) for k in TRAFFIC_KEYS))
        pairs = [conj(now, same_keys(system, a, b))]
        early = a.role.covered.get("early", ())
        if early:
            both = conj(under == "early", read == "early")
            pairs.append(conj(both, agree(system, a, b, early)))
        # The keys of the handshake before are that handshake's session keys.
        mine = system.by_name[a.prev] if a.prev and a.takes_over else None
        theirs = system.by_name[b.prev] if b.prev and b.takes_over else None
        for k, x in (("application", a), ("previous", mine)):
            for j, y in (("application", b), ("previous", theirs)):
                if x is not None and y is not None and "previous" in (k, j):
                    pairs.append(conj((under == j) & (read == k), same_keys(system, x, y)))
        return disj(*pairs)

    # -- what was sent under which key ------------------------------------------------------------
    def _under(self, system: System, run: Instance, key: Expr | None) -> Expr:
        """The record key `key` of a message of `run`, over global variables."""
        assert key is not None
        under = system.at(run, key)
        if run.takes_over:
            # What another handshake sends in the clear goes under the keys that are there.
            under = ite(under == "plaintext", const("previous", under.domain), under)
        return under

    def _read(self, system: System, run: Instance, message: str) -> Expr:
        """The adversary has read `message` of `run`, which was in the clear unless the connection
        had keys before."""
        seen = sent(run.name, message)
        if not run.takes_over:
            return seen
        had = system.at(run, run.role.under[message]) == "plaintext"
        return conj(seen, implies(had, self.knows_key(system, run, const("previous", Key))))

    # -- the network's interface -------------------------------------------------------------------
    def variables(self, system: System) -> Mapping[str, Variable]:
        """`run.sent_M` for each message M that a run can send, and what a leak notes."""
        seen = []
        for r in system.runs:
            never = {m.name for m in r.role.alphabet if not m.replayed}
            seen += [f"{r.name}.sent_{m}" for m in r.role.sends if m not in never]
        noted = [
            n for x in leaks(self.capabilities) for r in system.runs for n in x.noted(system, r)
        ]
        return {n: Variable(BOOL, (False,)) for n in (*seen, *noted)}

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """Sending is always possible, and what was sent is seen; a secret is lost once."""
        if not message.replayed:
            return TRUE, {}
        seen = f"{run.name}.sent_{message.name}"
        for x in leaks(self.capabilities):
            if x.message is message:
                return neg(var(seen, BOOL)), {seen: TRUE, **x.noted(system, run)}
        return TRUE, {seen: TRUE}

    def sources(self, system: System, run: Instance, message: Message) -> Iterable[Source]:
        """Forged, wrapped by the adversary, or replayed; see the head of this file."""
        if message.form is Form.GARBLED:
            # In the clear it is due only where a row expects records that cannot be read yet.
            rows = [r for r in run.role.table if r.kind == "receive" and r.message is message]
            due = system.of(run, "state").one_of(*(s for r in rows for s in r.sources))
            yield Source("forged", (system.of(run, "read_key") != "plaintext") | due)
        elif message.form is Form.END:
            yield Source("forged")
        elif "offer" in message.fields:
            yield from self._client_hellos(system, run, message)
        else:
            yield self._forged(system, run, message)
            if message.replayed:
                yield from self._replayed(system, run, message)

    def _writes(self, system: System, run: Instance, message: Message) -> Expr:
        """The adversary can write a record with `message` for `run`."""
        read_key = system.of(run, "read_key")
        writes = self.knows_key(system, run, read_key)
        # What is there under one key only is not there under another.
        only = {r.role.under.get(message.name) for r in system.runs}
        return writes & (read_key == "early") if const("early", Key) in only else writes

    def _forged(self, system: System, run: Instance, message: Message) -> Source:
        """A message of the adversary's own making."""
        return Source(
            "forged",
            conj(
                self._writes(system, run, message),
                self._values(system, run, message),
                self._premaster(system, run, message),
            ),
            {},
            self._seals(system, run, message),
        )

    def _replayed(self, system: System, run: Instance, message: Message) -> Iterable[Source]:
        """Each message that an honest run sent: as it is, or what is protected inside anew."""
        writes, values = self._writes(system, run, message), self._values(system, run, message)
        for q in system.runs:
            if q.name == run.name or message.name not in q.role.sends:
                continue
            for e in q.role.times(message.name):
                bound = system.fields(q, e.fields)
                under = self._under(system, q, e.under)
                seen = conj(sent(q.name, message.name), system.at(q, e.when))
                name = f"{q.name}{e.name and ' ' + e.name}"
                inner = {f: bound[f] for f in _inside(message)}
                if inner:
                    # With a NULL cipher a record is authenticated but not hidden.
                    readable = self.knows_key(system, q, under) | system.of(q, "null_cipher")
                    anew = conj(writes, seen, readable, values)
                    yield Source(f"{name} via adversary", anew, inner)
                if q.role.name != run.role.name:
                    same_key = self._same_record_key(system, run, q, under)
                    yield Source(name, conj(seen, same_key), bound)

    def _seals(self, system: System, run: Instance, message: Message) -> dict[str, Expr]:
        """By composite field: the adversary can itself make what `run` expects there."""
        out = {}
        for f in composites(message):
            makers = run.role.schedule.seals.get(f, {})
            if f in message.sealed:
                makers = {message.sealed[f]: TRUE}
            out[f] = disj(*(conj(when, self._makes(system, run, k)) for k, when in makers.items()))
        return out

    def _makes(self, system: System, run: Instance, kind: str) -> Expr:
        """The adversary can make a proof with a secret of `run`."""
        if kind == MASTER:
            # RFC 8446 4.4.4: its key is derived from the handshake traffic secret.
            base = (system.of(run, "version") == "TLS13") & self.lost_traffic_secret(
                system, run, "handshake"
            )
            return disj(self.knows(system, run, MASTER), base, neg(system.of(run, "keyed")))
        if kind == RESUMPTION and run.takes_over and run.prev is not None:
            # What the Finished before covered, by whoever could read those.
            return self.knows(system, system.by_name[run.prev], TRAFFIC)
        return self.knows(system, run, kind)

    def _values(self, system: System, run: Instance, message: Message) -> Expr:
        """Limits on freely chosen fields: values that exist, nonces and shares that were seen."""
        parts: list[Expr] = []
        inside = message.encrypted and (message.encrypted.secret, message.encrypted.to)
        for f, d in message.fields.items():
            carrier = message.shown.get(f)
            if carrier is None:
                # Not a value that someone made (for a premaster see `_premaster`).
                if message.demands(f) and f not in (inside or ()):
                    parts.append(message.f[f] != "none")
                continue
            mine, theirs = [message.f[f] == "adversary"], []
            if not message.demands(f):
                mine.append(message.f[f] == "none")
            for q in system.runs:
                # A session is one of a handshake before.
                usable = self._at_hand(system, run, q) or f == "session_id"
                if q.name in d.codes and carrier in q.role.sends and usable:
                    theirs.append((message.f[f] == q.name) & self._read(system, q, carrier))
            parts.append(disj(*mine, *theirs))
        parts += [self._part(system, message, p, whole) for p, whole in message.parts.items()]
        return conj(*parts, message.made_up)

    def _part(self, system: System, message: Message, part: str, whole: str) -> Expr:
        """A part of a value is as its maker made it: with another one the value is the adversary's
        own, and that has none, since no rule asks for one."""
        f = message.f
        allowed = [(f[whole] == "adversary") & (f[part] == "none")]
        for q in system.runs:
            made = q.role.sends.get(message.name, {}).get(part)
            if isinstance(made, Expr):
                allowed.append((f[whole] == q.name) & eq(f[part], system.at(q, made)))
        return disj(*allowed)

    def _premaster(self, system: System, run: Instance, message: Message) -> Expr:
        """What the adversary can encrypt, or show as its share, in a message of its own."""
        inside = message.encrypted
        if inside is None:
            return TRUE
        own, to = message.f[inside.secret], message.f[inside.to]
        receives = message.name not in run.role.sends
        rsa = system.at(run, inside.when[run.role.name]) if receives else FALSE
        allowed = [own == "adversary"]
        if not message.demands(inside.secret):
            allowed.append(own == "none")
        for q in system.runs:
            if message.name in q.role.sends and self._at_hand(system, run, q):
                share = self._read(system, q, message.name)
                known = ite(rsa, self._knows_premaster(system, q, message), share)
                allowed.append((own == q.name) & known)
        keys = ["honest", "adversary", *(q.name for q in system.runs if q.name in to.domain.codes)]
        return conj(disj(*allowed), implies(rsa, to.one_of(*keys)))

    def _client_hellos(self, system: System, run: Instance, message: Message) -> Iterable[Source]:
        """The offer is some client's own, with its contents, or the adversary's, with any."""
        limits = conj(self._writes(system, run, message), self._values(system, run, message))
        # What no single field of the transcript covers is part of the offer.
        other = ("version", *message.shown, *message.record)
        lists = [f for f in message.fields if f not in other]
        seals = self._seals(system, run, message)
        yield Source("forged", limits, {"offer": const("adversary", ClientOwner)}, seals)
        for q in system.runs:
            if message.name in q.role.sends:
                bound = system.fields(q, q.role.sends[message.name])
                if self._at_hand(system, run, q):
                    yield Source(
                        f"{q.name} via adversary",
                        conj(limits, self._read(system, q, message.name)),
                        {f: bound[f] for f in ("offer", *lists)},
                    )
                if run.takes_over:
                    under = self._under(system, q, q.role.under[message.name])
                    same_key = self._same_record_key(system, run, q, under)
                    yield Source(q.name, conj(sent(q.name, message.name), same_key), bound)


def _inside(message: Message) -> tuple[str, ...]:
    """The protected fields of a message: its composites, and all of an encrypted secret."""
    e = message.encrypted
    return composites(message) if e is None else (e.secret, e.to, *e.beside)

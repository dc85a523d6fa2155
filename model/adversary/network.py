"""The Dolev-Yao adversary that is the network itself.

There are no queues: a run receives any message that the adversary can build. Plaintext fields are
chosen freely at the moment of receipt. A protected term is either replayed from an honest run's
message, or built with a key that the adversary knows. Knowledge is not stored: "the adversary has
seen message M" is the variable `sent_M` of the sending run, which only grows; "the adversary knows
this key" is an expression over the variables that go into the key. So knowledge has no limit, and a
state is the runs' own variables.

A message has one of three kinds of source:

- `forged`: the adversary writes the record under the receiver's read key and must know that key; a
  signature, MAC or encryption inside is right only if the adversary knows its key too;
- `C via adversary`: the adversary writes the record around what run C signed, MACed or encrypted,
  and must be able to read C's record;
- `C`: the record of run C unchanged, if sender and receiver have the same record key.

Limits: no Diffie-Hellman algebra, no degenerate groups, no record sequence numbers (a record can be
replayed under the same key); a weak key is broken at once.
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
"""The certificates whose private key the adversary holds from the start."""

TRAFFIC_KEYS = ("handshake", "application")
"""The record keys made from traffic secrets, which a run can lose."""


def sent(run: str, message: str) -> Expr:
    """Whether the adversary has seen `message` of `run`."""
    return var(f"{run}.sent_{message}", BOOL)


@dataclass(frozen=True)
class Adversary(Network):
    """The network as adversary. A condition says when the adversary can do or know something."""

    capabilities: tuple[str, ...] = ()
    """The names of files in `model.adversary.capabilities`."""
    fresh: bool = False
    """Whether a forged hello or key exchange has no random, offer or premaster of an earlier round.
    Records of earlier rounds are replayed all the same."""

    def _at_hand(self, system: System, run: Instance, maker: Instance) -> bool:
        """Whether a forged message for `run` may have values that `maker` made."""
        return not self.fresh or system.round_of(run) == system.round_of(maker)

    def broken(self, weak: Expr) -> Expr:
        """When the adversary breaks a key that is export-grade where `weak` holds."""
        found = [capabilities()[c] for c in self.capabilities]
        return disj(*(c.breaks(weak) for c in found if hasattr(c, "breaks")))

    def lost(self, system: System, kind: str, by: Iterable[Instance] | None = None) -> Expr:
        """When one of the runs `by` (default: all) has lost a secret of `kind` to the adversary."""
        names = [x.message.name for x in leaks(self.capabilities) if x.gives == kind]
        runs = system.runs if by is None else by
        return disj(*(sent(r.name, m) for r in runs for m in names if m in r.role.sends))

    def owns(self, system: System, certificate: Expr, whose: str) -> Expr:
        """When the adversary has the private key of a `certificate` that `whose` end showed."""
        lost = self._private_key(system, whose)
        return certificate.one_of(*ADVERSARYS_KEY) | ((certificate == "honest") & lost)

    def _private_key(self, system: System, whose: str) -> Expr:
        return self.lost(system, CERTIFICATE, (r for r in system.runs if r.role.name == whose))

    # -- knowledge -------------------------------------------------------------------------------
    def knows(self, system: System, run: Instance, kind: str) -> Expr:
        """When the adversary knows the secret of `run` of that kind.

        A secret of a kind that an extension adds is known only if lost.
        """
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
        """When the adversary can compute a client's premaster or DH secret, over `own`."""
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
        """When the adversary knows the master secret (TLS 1.3: handshake secret) of `run`."""
        made = run.role.schedule
        return conj(
            self._knows_exchange(system, run) | system.at(run, made.unexchanged),
            *(
                implies(system.at(run, part), self.knows(system, run, kind))
                for kind, part in made.secret.items()
            ),
        )

    def _knows_earlier(self, system: System, run: Instance) -> Expr:
        """When the adversary knows the secret that `run` takes over from its `prev`."""
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
        """When the adversary knows the part of the secret of `run` from the key exchange."""
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
        """When the adversary knows the premaster that `run` encrypted in `message`."""
        assert message.encrypted is not None
        return conj(
            self._read(system, run, message.name),
            system.at(run, message.encrypted.when[run.role.name]),
            self._knows_exchange(system, run),
        )

    def knows_key(self, system: System, run: Instance, key: Expr) -> Expr:
        """When the adversary knows the record key `key` of `run`, a Key over global variables."""
        parts = {k: system.at(run, part) for k, part in run.role.schedule.early.items()}
        early = disj(
            neg(disj(*parts.values())),  # no secret goes into the key
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
        """When an end has lost the "handshake" or "application" traffic secret of `run`.

        The secret from which the traffic secret is derived is not lost with it.
        """
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
        """When the adversary knows a session key with which `run` reads or writes."""
        keys = [system.of(run, n) for n in ("read_key", "write_key")]
        public = [k == "empty" for k in keys]
        lost = [
            disj(*(k == t for k in keys)) & self.lost_traffic_secret(system, run, t)
            for t in TRAFFIC_KEYS
        ]
        keyed = system.of(run, "keyed")
        return disj(*public, *lost, conj(keyed, self._knows_master(system, run)))

    def _same_record_key(self, system: System, a: Instance, b: Instance, under: Expr) -> Expr:
        """When the key `under`, with which `b` sent a record, is the read key of `a`."""
        read = system.of(a, "read_key")
        now = disj(*((under == k) & (read == k) for k in TRAFFIC_KEYS))
        pairs = [conj(now, same_keys(system, a, b))]
        early = a.role.covered.get("early", ())
        if early:
            both = conj(under == "early", read == "early")
            pairs.append(conj(both, agree(system, a, b, early)))
        # "previous" keys are the session keys of the previous handshake on the connection.
        mine = system.by_name[a.prev] if a.prev and a.takes_over else None
        theirs = system.by_name[b.prev] if b.prev and b.takes_over else None
        for k, x in (("application", a), ("previous", mine)):
            for j, y in (("application", b), ("previous", theirs)):
                if x is not None and y is not None and "previous" in (k, j):
                    pairs.append(conj((under == j) & (read == k), same_keys(system, x, y)))
        return disj(*pairs)

    # -- what was sent under which key ------------------------------------------------------------
    def _under(self, system: System, run: Instance, key: Expr | None) -> Expr:
        """The record key `key` over `own` of a message that `run` sends, over global variables."""
        assert key is not None
        under = system.at(run, key)
        if run.takes_over:
            # Plaintext messages of a renegotiation go under the keys of the previous handshake.
            under = ite(under == "plaintext", const("previous", under.domain), under)
        return under

    def _read(self, system: System, run: Instance, message: str) -> Expr:
        """When the adversary has read a `message` of `run` that is sent before there are keys.

        A renegotiation sends such a message under the keys of the previous handshake.
        """
        seen = sent(run.name, message)
        if not run.takes_over:
            return seen
        had = system.at(run, run.role.under[message]) == "plaintext"
        return conj(seen, implies(had, self.knows_key(system, run, const("previous", Key))))

    # -- the network's interface -------------------------------------------------------------------
    def variables(self, system: System) -> Mapping[str, Variable]:
        """`run.sent_M` for each message M that a run can send, and the variables of leaks."""
        seen = []
        for r in system.runs:
            never = {m.name for m in r.role.alphabet if not m.replayed}
            seen += [f"{r.name}.sent_{m}" for m in r.role.sends if m not in never]
        noted = [
            n for x in leaks(self.capabilities) for r in system.runs for n in x.noted(system, r)
        ]
        return {n: Variable(BOOL, (False,)) for n in (*seen, *noted)}

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """A message can always be sent and is then seen; a secret can be lost once."""
        if not message.replayed:
            return TRUE, {}
        seen = f"{run.name}.sent_{message.name}"
        for x in leaks(self.capabilities):
            if x.message is message:
                return neg(var(seen, BOOL)), {seen: TRUE, **x.noted(system, run)}
        return TRUE, {seen: TRUE}

    def sources(self, system: System, run: Instance, message: Message) -> Iterable[Source]:
        """The sources of `message` for `run`, of the three kinds at the head of this file."""
        if message.form is Form.GARBLED:
            # With a plaintext read key, such a record is due only where a row expects one.
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
        """When the adversary can write a record with `message` for `run`."""
        read_key = system.of(run, "read_key")
        writes = self.knows_key(system, run, read_key)
        # A message that is only ever sent under the early key is not possible under another key.
        only = {r.role.under.get(message.name) for r in system.runs}
        return writes & (read_key == "early") if const("early", Key) in only else writes

    def _forged(self, system: System, run: Instance, message: Message) -> Source:
        """The source of a message that the adversary makes up."""
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
        """The sources of an honest run's message, unchanged or with its protected parts reused."""
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
        """By composite field: when the adversary can make the value that `run` expects."""
        out = {}
        for f in composites(message):
            makers = run.role.schedule.seals.get(f, {})
            if f in message.sealed:
                makers = {message.sealed[f]: TRUE}
            out[f] = disj(*(conj(when, self._makes(system, run, k)) for k, when in makers.items()))
        return out

    def _makes(self, system: System, run: Instance, kind: str) -> Expr:
        """When the adversary can make a proof with the secret of `run` of that kind."""
        if kind == MASTER:
            # RFC 8446 4.4.4: the key of Finished is derived from the handshake traffic secret.
            base = (system.of(run, "version") == "TLS13") & self.lost_traffic_secret(
                system, run, "handshake"
            )
            return disj(self.knows(system, run, MASTER), base, neg(system.of(run, "keyed")))
        if kind == RESUMPTION and run.takes_over and run.prev is not None:
            # The fields of the previous Finished are known to whoever could read the records.
            return self.knows(system, system.by_name[run.prev], TRAFFIC)
        return self.knows(system, run, kind)

    def _values(self, system: System, run: Instance, message: Message) -> Expr:
        """The limits on free fields: values must exist, and those that a run made must be seen."""
        parts: list[Expr] = []
        inside = message.encrypted and (message.encrypted.secret, message.encrypted.to)
        for f, d in message.fields.items():
            carrier = message.shown.get(f)
            if carrier is None:
                # Not a value that a run made (for a premaster see `_premaster`).
                if message.demands(f) and f not in (inside or ()):
                    parts.append(message.f[f] != "none")
                continue
            mine, theirs = [message.f[f] == "adversary"], []
            if not message.demands(f):
                mine.append(message.f[f] == "none")
            for q in system.runs:
                # A session id is always from an earlier handshake.
                usable = self._at_hand(system, run, q) or f == "session_id"
                if q.name in d.codes and carrier in q.role.sends and usable:
                    theirs.append((message.f[f] == q.name) & self._read(system, q, carrier))
            parts.append(disj(*mine, *theirs))
        parts += [self._part(system, message, p, whole) for p, whole in message.parts.items()]
        return conj(*parts, message.made_up)

    def _part(self, system: System, message: Message, part: str, whole: str) -> Expr:
        """When the field `part` fits the field `whole`: both of the same maker.

        The adversary's own value has no part, since no rule demands one.
        """
        f = message.f
        allowed = [(f[whole] == "adversary") & (f[part] == "none")]
        for q in system.runs:
            made = q.role.sends.get(message.name, {}).get(part)
            if isinstance(made, Expr):
                allowed.append((f[whole] == q.name) & eq(f[part], system.at(q, made)))
        return disj(*allowed)

    def _premaster(self, system: System, run: Instance, message: Message) -> Expr:
        """The limits on an encrypted premaster, or a share in its place, in a forged message."""
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
        """The sources of a ClientHello: with a client's own offer, or with one made up."""
        limits = conj(self._writes(system, run, message), self._values(system, run, message))
        # The fields that the transcript does not list one by one are part of the offer.
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
    """The protected fields of a message: composites, or all fields of an encrypted part."""
    e = message.encrypted
    return composites(message) if e is None else (e.secret, e.to, *e.beside)

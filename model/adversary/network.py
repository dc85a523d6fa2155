"""The Dolev-Yao adversary that is the network itself.

There are no queues: a run receives any message that the adversary can build. Plaintext fields are
chosen freely at the moment of receipt. A protected term is either replayed from an honest run's
message, or built with a key that the adversary knows. Knowledge is not stored: "the adversary has
seen message M" is the variable `sent_M` of the sending run, which only grows; "the adversary knows
this key" is an expression over the variables that go into the key. So knowledge has no limit, and a
state is the runs' own variables.

A message has one of three kinds of source:

- `forged`: the adversary writes the record and must know its key; a signature, MAC or encryption
  inside is right only if the adversary knows its key too;
- `C via adversary`: the adversary writes the record around what run C signed, MACed or encrypted,
  and must be able to read C's record;
- `C`: the record of run C unchanged, if C wrote the record under the key that the receiver takes.

A record is in the clear or under a key. A row takes records under the run's read key, or under the
key that the row names (`Rule.under`); in the clear the adversary can always write. What the network
can deliver depends on that key and on what runs have sent, never on the receiver's rows: every
other record is an UndecryptableRecord. A secret that nobody has set is public.

Limits: no Diffie-Hellman algebra but for degenerate shares; a weak key is broken at once. Without
the extension `sequence_numbers` a record can be replayed under the same key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from model import schedule
from model.adversary.capabilities import capabilities, leaks
from model.expr import BOOL, FALSE, TRUE, Expr, Value, conj, const, disj, eq, implies, ite, neg, var
from model.principal import ClientOwner, Key, client, server
from model.role import Edition, Role
from model.rule import Form, Message, Variable, composites
from model.schedule import CERTIFICATE, DECRYPT, MASTER, RESUMPTION, SIGN, TRAFFIC
from model.system import Instance, Network, Source, System, once, possible
from model.transcript import RSA_SUITES, agree, same_keys, same_secret

ADVERSARYS_KEY = ("adversary", "unknown_ca", "expired", "wrong_name")
"""The certificates whose private key the adversary holds from the start."""

TRAFFIC_KEYS = ("handshake", "application")
"""The record keys made from traffic secrets, which a run can lose."""


def sent(run: str, message: str) -> Expr:
    """Whether `run` has sent `message`."""
    return var(f"{run}.sent_{message}", BOOL)


def sent_under(run: str, message: str, key: Value) -> Expr:
    """Whether `run` has sent `message` in a record under `key`."""
    return var(f"{run}.sent_{message}_{key}", BOOL)


@cache
def _written(role: Role) -> frozenset[Value]:
    """The keys that some row of the role makes its write key."""
    effects = [r.do["write_key"] for r in role.table if "write_key" in r.do]
    return frozenset().union(*(possible(e) for e in effects))


def write_keys(run: Instance) -> tuple[Value, ...]:
    """The keys under which `run` may write a record."""
    if run.role.write_key is None:
        return ("plaintext",)
    first = run.config.get("write_key", run.role.variables["write_key"].initial)
    every = {*first, *_written(run.role)}
    return tuple(k for k in Key.values if k in every)


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

    def oracle(self, use: str) -> Expr:
        """Whether the adversary can have the honest server's private key used so."""
        found = (getattr(capabilities()[c], "ORACLE", ()) for c in self.capabilities)
        return const(any(use in uses for uses in found))

    def lost(self, system: System, kind: str, by: Iterable[Instance] | None = None) -> Expr:
        """When one of the runs `by` (default: all) has lost a secret of `kind` to the adversary."""
        names = [x.message.name for x in leaks(self.capabilities) if x.gives == kind]
        runs = system.runs if by is None else by
        return disj(*(sent(r.name, m) for r in runs for m in names if m in r.role.sends))

    def can_use(self, system: System, certificate: Expr, whose: str, use: str) -> Expr:
        """When the adversary can `DECRYPT` or `SIGN` with the private key of a `certificate` that
        `whose` end showed."""
        asked = self.oracle(use) if whose == "server" else FALSE
        public = certificate.one_of(*ADVERSARYS_KEY, "none", "empty")
        return public | ((certificate == "honest") & (self._private_key(system, whose) | asked))

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
            case schedule.PUBLIC:
                return TRUE
            case schedule.TRAFFIC:
                return self._knows_traffic_key(system, run)
            case schedule.RESUMPTION:
                return self._knows_earlier(system, run)
            case schedule.CERTIFICATE:
                peer = "server" if run.role.name == "client" else "client"
                if run.role.signer is None:
                    return FALSE
                return self.can_use(system, system.at(run, run.role.signer), peer, SIGN)
            case schedule.COLLISION:
                peers = (r for r in system.runs if r.role.name != run.role.name)
                return self.lost(system, kind, peers)
        return self.lost(system, kind)

    @once
    def _client_secret(self, system: System) -> Expr:
        """When the adversary can compute a client's premaster or DH secret, over `own`."""
        own = client
        # A missing share adds zeros in TLS 1.3, and is a secret that nobody set below.
        theirs = own.server_share.one_of("adversary", "none")
        rsa = ite(
            own.group == "rsa_weak",
            theirs | self.broken(own.group == "rsa_weak"),
            self.can_use(system, own.server_certificate, "server", DECRYPT)
            | (own.fixed_dh & self._private_key(system, "client")),
        )
        dh = theirs | self.broken(own.group == "dh_weak")
        return ite(own.suite.one_of(*RSA_SUITES, "DH_RSA"), rsa, dh)

    @once
    def _knows_master(self, system: System, run: Instance) -> Expr:
        """When the adversary knows the master secret (TLS 1.3: handshake secret) of `run`."""
        made = run.role.schedule
        known = conj(
            self._knows_exchange(system, run) | system.at(run, made.unexchanged | made.degenerate),
            *(
                implies(system.at(run, part), self.knows(system, run, kind))
                for kind, part in made.secret.items()
            ),
        )
        return neg(system.of(run, "keyed")) | known

    @once
    def _knows_earlier(self, system: System, run: Instance) -> Expr:
        """When the adversary knows the secret that `run` takes over from its `prev`."""
        if run.prev is None:
            return TRUE
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

    @once
    def _knows_exchange(self, system: System, run: Instance) -> Expr:
        """When the adversary knows the part of the secret of `run` from the key exchange."""
        if run.role.name == "client":
            return system.at(run, self._client_secret(system))
        own = server
        clients = [c for c in system.runs if c.role.name == "client"]
        made = own.exchange.one_of("adversary", *(c.name for c in clients))
        weak = (own.suite == "RSA_EXPORT") | (own.suite == "DHE_EXPORT")
        weak = weak | ((own.suite == "DHE") & own.weak_dh)
        mine = own.exchange.one_of("adversary", "none") | (made & self.broken(weak))
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

    @once
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

    @once
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

    def _same_record_key(
        self, system: System, a: Instance, b: Instance, under: Value, taken: Expr
    ) -> Expr:
        """When the key `under` of `b` is the key `taken` of `a`.

        "previous" keys are the session keys of the previous handshake on the connection.
        """
        # A key of no secret and no key at all need no honest sender.
        if under in ("plaintext", "empty"):
            return FALSE
        if under == "early":
            names = a.role.covered.get("early", ())
            return conj(taken == "early", agree(system, a, b, names)) if names else FALSE
        pairs = [] if under == "previous" else [conj(taken == under, same_keys(system, a, b))]
        mine = system.by_name[a.prev] if a.prev and a.takes_over else None
        theirs = system.by_name[b.prev] if b.prev and b.takes_over else None
        for k, x in (("application", a), ("previous", mine)):
            for j, y in (("application", b), ("previous", theirs)):
                if j == under and x is not None and y is not None and "previous" in (k, j):
                    pairs.append(conj(taken == k, same_keys(system, x, y)))
        return disj(*pairs)

    # -- what was sent under which key ------------------------------------------------------------
    def _read(
        self, system: System, run: Instance, message: str, edition: Edition | None = None
    ) -> Expr:
        """When the adversary has read a `message` of `run`, or an edition of it.

        With a NULL cipher a record is authenticated but not hidden.
        """
        keys = {} if edition is None else edition.keys
        return disj(
            *(
                conj(
                    sent_under(run.name, message, k),
                    system.at(run, keys.get(str(k), TRUE)),
                    self.knows_key(system, run, const(k, Key)) | system.of(run, "null_cipher"),
                )
                for k in write_keys(run)
            )
        )

    def _seen(self, system: System, run: Instance, message: str) -> Expr:
        """When the adversary has a value that `run` shows in a `message`.

        A ticket that comes under a key is shown in the clear later; a value in a renegotiation is
        hidden under the keys of the previous handshake.
        """
        return self._read(system, run, message) if run.takes_over else sent(run.name, message)

    # -- the network's interface -------------------------------------------------------------------
    def variables(self, system: System) -> Mapping[str, Variable]:
        """`run.sent_M` for each message M that a run can send, and the variables of leaks."""
        seen = []
        for r in system.runs:
            for m in r.role.sends:
                seen += [sent(r.name, m), *(sent_under(r.name, m, k) for k in write_keys(r))]
        noted = [
            n for x in leaks(self.capabilities) for r in system.runs for n in x.noted(system, r)
        ]
        return {n: Variable(BOOL, (False,)) for n in (*(v.payload for v in seen), *noted)}

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """A message can always be sent and is then seen; a secret can be lost once."""
        seen = sent(run.name, message.name)
        for x in leaks(self.capabilities):
            if x.message is message:
                return neg(seen), {seen.payload: TRUE, **x.noted(system, run)}
        now = run.role.write_key
        of = const("plaintext", Key) if now is None else system.at(run, now)
        under = {k: sent_under(run.name, message.name, k) for k in write_keys(run)}
        return TRUE, {seen.payload: TRUE, **{v.payload: v | (of == k) for k, v in under.items()}}

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> Iterable[Source]:
        """The sources of `message` for `run`, of the three kinds at the head of this file."""
        key = const("plaintext", Key) if under is None else under
        if message.form is not Form.RECORD:
            yield Source("forged")
        elif "offer" in message.fields:
            yield from self._client_hellos(system, run, message, key)
        else:
            yield self._forged(system, run, message, key)
            yield from self._replayed(system, run, message, key)

    def _forged(self, system: System, run: Instance, message: Message, key: Expr) -> Source:
        """The source of a message that the adversary makes up."""
        return Source(
            "forged",
            conj(
                self.knows_key(system, run, key),
                self._values(system, run, message),
                self._premaster(system, run, message),
            ),
            {},
            self._seals(system, run, message),
        )

    def _replayed(
        self, system: System, run: Instance, message: Message, key: Expr
    ) -> Iterable[Source]:
        """The sources of an honest run's message, unchanged or with its protected parts reused."""
        writes = self.knows_key(system, run, key)
        values = self._values(system, run, message)
        for q in system.runs:
            if q.name == run.name or message.name not in q.role.sends:
                continue
            for e in q.role.times(message.name):
                bound = system.fields(q, e.fields)
                was = system.at(q, e.when)
                name = f"{q.name}{e.name and ' ' + e.name}"
                inner = {f: bound[f] for f in _inside(message)}
                if inner:
                    anew = conj(writes, was, self._read(system, q, message.name, e), values)
                    yield Source(f"{name} via adversary", anew, inner)
                if q.role.name != run.role.name:
                    yield from self._unchanged(system, run, q, message, e, key)

    def _unchanged(
        self,
        system: System,
        run: Instance,
        q: Instance,
        message: Message,
        e: Edition,
        key: Expr,
    ) -> Iterable[Source]:
        """The source of the record that `q` wrote, if `run` takes it under `key`."""
        ways = disj(
            *(
                conj(
                    sent_under(q.name, message.name, k),
                    system.at(q, e.keys.get(str(k), TRUE)),
                    self._same_record_key(system, run, q, k, key),
                )
                for k in write_keys(q)
            )
        )
        when = conj(system.at(q, e.when), ways)
        if when is not FALSE:
            yield Source(f"{q.name}{e.name and ' ' + e.name}", when, system.fields(q, e.fields))

    def _seals(self, system: System, run: Instance, message: Message) -> dict[str, Expr]:
        """By composite field: when the adversary can make the value that `run` expects."""
        out = {}
        for f in composites(message):
            makers = run.role.schedule.seals.get(f, {})
            if f in message.sealed:
                makers = {**makers, message.sealed[f]: TRUE}
            out[f] = disj(*(conj(when, self._makes(system, run, k)) for k, when in makers.items()))
        return out

    def _makes(self, system: System, run: Instance, kind: str) -> Expr:
        """When the adversary can make a proof with the secret of `run` of that kind."""
        if kind == MASTER:
            # RFC 8446 4.4.4: the key of Finished is derived from the traffic secret of the sender:
            # that of the handshake, or in an answer after it that of application data.
            base = disj(
                *(
                    (system.of(run, "read_key") == k) & self.lost_traffic_secret(system, run, k)
                    for k in TRAFFIC_KEYS
                )
            )
            return self.knows(system, run, MASTER) | ((system.of(run, "version") == "TLS13") & base)
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
            if carrier is None and f not in message.knows:
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
                if q.name not in d.codes or not usable:
                    continue
                if carrier is None:
                    relayed = message.f[message.parts[f]] == q.name
                    had = relayed | self._knows_exchange(system, q)
                    theirs.append((message.f[f] == q.name) & had)
                elif carrier in q.role.sends:
                    theirs.append((message.f[f] == q.name) & self._seen(system, q, carrier))
            parts.append(disj(*mine, *theirs))
        parts += [self._part(system, message, p, whole) for p, whole in message.parts.items()]
        return conj(*parts)

    def _part(self, system: System, message: Message, part: str, whole: str) -> Expr:
        """When the field `part` fits the field `whole`: both of the same maker, or no `whole`."""
        f = message.f
        allowed = [f[whole].one_of("adversary", "none")]
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
                share = self._seen(system, q, message.name)
                known = ite(rsa, self._knows_premaster(system, q, message), share)
                allowed.append((own == q.name) & known)
        keys = ["honest", "adversary", *(q.name for q in system.runs if q.name in to.domain.codes)]
        return conj(disj(*allowed), implies(rsa, to.one_of(*keys)))

    def _client_hellos(
        self, system: System, run: Instance, message: Message, key: Expr
    ) -> Iterable[Source]:
        """The sources of a ClientHello: with a client's own offer, or with one made up."""
        writes = self.knows_key(system, run, key)
        limits = conj(writes, self._values(system, run, message))
        # The fields that the transcript does not list one by one are part of the offer.
        other = ("version", "legacy_version", *message.shown, *message.record)
        lists = [f for f in message.fields if f not in other]
        seals = self._seals(system, run, message)
        yield Source("forged", limits, {"offer": const("adversary", ClientOwner)}, seals)
        for q in system.runs:
            if message.name in q.role.sends:
                bound = system.fields(q, q.role.sends[message.name])
                if self._at_hand(system, run, q):
                    read = self._read(system, q, message.name)
                    yield Source(
                        f"{q.name} via adversary",
                        conj(limits, read, _same_lists(message, bound)),
                        {f: bound[f] for f in ("offer", *lists)},
                    )
                if q.role.name != run.role.name:
                    for e in q.role.times(message.name):
                        yield from self._unchanged(system, run, q, message, e, key)


def _same_lists(message: Message, sent: Mapping[str, Expr | tuple[Expr, ...]]) -> Expr:
    """When a hello has the lists of the one `sent`, which another legacy version is not.

    Without supported_versions the legacy version is the version that the hello offers.
    """
    version, legacy = sent["version"], sent["legacy_version"]
    assert isinstance(version, Expr) and isinstance(legacy, Expr)
    f = message.f
    return eq(f.legacy_version, ite(eq(version, legacy), f.version, legacy))


def _inside(message: Message) -> tuple[str, ...]:
    """The protected fields of a message: composites, or all fields of an encrypted part."""
    e = message.encrypted
    return composites(message) if e is None else (e.secret, e.to, *e.beside)

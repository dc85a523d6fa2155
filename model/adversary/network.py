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

from model.adversary.capabilities import capabilities, leaks
from model.expr import (
    BOOL,
    FALSE,
    TRUE,
    Expr,
    conj,
    const,
    disj,
    eq,
    implies,
    ite,
    neg,
    var,
)
from model.message import UndecryptableRecord
from model.principal import ClientOwner, Key, client, server
from model.rule import Message, Variable, composites
from model.system import Instance, Source, System
from model.transcript import RSA_SUITES, view

ADVERSARYS_KEY = ("adversary", "unknown_ca", "expired", "wrong_name")
"""Certificates whose private key the adversary holds."""

TRAFFIC = ("handshake", "application")
"""The record keys of traffic secrets that a run can lose."""

NEVER_SENT_HONESTLY = {"UndecryptableRecord", "TransportClose", "Alert", "NoCertificate"}


def sent(run: str, message: str) -> Expr:
    """The adversary has seen `message` of `run`."""
    return var(f"{run}.sent_{message}", BOOL)


def _at(
    system: System, run: Instance, fields: Mapping[str, Expr | tuple[Expr, ...]]
) -> dict[str, Expr | tuple[Expr, ...]]:
    """The fields of a message of `run` over global variables."""
    return {
        f: tuple(system.at(run, p) for p in e) if isinstance(e, tuple) else system.at(run, e)
        for f, e in fields.items()
    }


@dataclass(frozen=True)
class Adversary:
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

    def lost(self, system: System, secret: str) -> Expr:
        """An end has lost `secret`, the name of a leak's message, to the adversary."""
        return disj(*(sent(r.name, secret) for r in system.runs if secret in r.role.sends))

    def owns(self, system: System, certificate: Expr, whose: str) -> Expr:
        """The adversary has the private key of a certificate shown for the "client" or "server"."""
        key = self.lost(system, f"{whose.capitalize()}PrivateKey")
        return certificate.one_of(*ADVERSARYS_KEY) | ((certificate == "honest") & key)

    # -- knowledge -------------------------------------------------------------------------------
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
            | (own.fixed_dh & self.lost(system, "ClientPrivateKey")),
        )
        dh = theirs | self.broken(own.group == "dh_weak")
        return ite(own.suite.one_of(*RSA_SUITES, "DH_RSA"), rsa, dh)

    def knows_secret(self, system: System, run: Instance) -> Expr:
        """The adversary knows the master secret (TLS 1.3: the handshake secret) of `run`."""
        role = run.role
        exchanged = self._knows_exchange(system, run) | system.at(run, role.unexchanged)
        inherited = implies(system.at(run, role.inherits), self.knows_earlier(system, run))
        shared = implies(system.at(run, role.shared), self.lost(system, "ExternalKey"))
        return conj(exchanged, inherited, shared)

    def knows_earlier(self, system: System, run: Instance) -> Expr:
        """The adversary knows what `run` takes over from the same end's handshake before it."""
        if run.prev is None:
            return FALSE
        prev = system.by_name[run.prev]
        read = []
        for q in system.runs:
            exposed = system.at(q, q.role.exposes)
            if "ResumptionKey" in q.role.sends:
                exposed = exposed | sent(q.name, "ResumptionKey")
            if exposed is not FALSE:
                equal = TRUE if q is prev else FALSE
                if q.role.name != prev.role.name:
                    equal = self.same_secret(system, prev, q)
                read.append(conj(exposed, equal))
        return disj(self.knows_secret(system, prev), *read)

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
        static = (own.suite == "DH_RSA") & (made | fixed) & self.lost(system, "ServerPrivateKey")
        mine = mine | static | (fixed & self.lost(system, "ClientPrivateKey"))
        theirs = [
            (system.of(run, "exchange") == c.name) & self._knows_premaster(system, c)
            for c in clients
        ]
        rsa = system.at(run, own.suite.one_of(*RSA_SUITES))
        return disj(system.at(run, mine), conj(rsa, disj(*theirs)))

    def _knows_premaster(self, system: System, run: Instance) -> Expr:
        """The adversary knows the RSA premaster that client `run` made."""
        return conj(
            self._read(system, run, "ClientKeyExchange"),
            system.at(run, client.suite.one_of(*RSA_SUITES)),
            self._knows_exchange(system, run),
        )

    def knows_key(self, system: System, run: Instance, key: Expr) -> Expr:
        """The adversary knows the record key `key` (a Key over global variables) of `run`."""
        secret = self.knows_secret(system, run)
        inherits = system.at(run, run.role.early_inherits)
        shared = system.at(run, run.role.early_shared)
        early = disj(
            neg(inherits | shared),  # made of no secret
            inherits & self.knows_earlier(system, run),
            shared & self.lost(system, "ExternalKey"),
        )
        lost = disj(*((key == k) & self.lost_traffic_secret(system, run, k) for k in TRAFFIC))
        now = secret | lost
        if run.takes_over and run.prev is not None:
            before = self.knows_traffic_key(system, system.by_name[run.prev])
            now = ite(key == "previous", before, now)
        known = ite(key == "early", early, now)
        return ite(key.one_of("plaintext", "empty"), TRUE, known)

    def lost_traffic_secret(self, system: System, run: Instance, key: str) -> Expr:
        """A traffic secret of `run`, "handshake" or "application", was lost by an end that had it:
        that secret alone, not the one that it is derived from."""
        name = f"lost_{key}"
        return disj(
            *(
                system.of(q, name) & (TRUE if q is run else self.same_secret(system, run, q))
                for q in system.runs
                if f"{q.name}.{name}" in system.variables
                and (q is run or q.role.name != run.role.name)
            )
        )

    def knows_traffic_key(self, system: System, run: Instance) -> Expr:
        """The adversary knows a session key that `run` reads or writes with."""
        keys = [system.of(run, n) for n in ("read_key", "write_key")]
        public = [k == "empty" for k in keys]
        lost = [
            disj(*(k == t for k in keys)) & self.lost_traffic_secret(system, run, t)
            for t in TRAFFIC
        ]
        keyed = system.of(run, "keyed")
        return disj(*public, *lost, conj(keyed, self.knows_secret(system, run)))

    def same_secret(self, system: System, a: Instance, b: Instance) -> Expr:
        """Runs `a` and `b`, of different roles, hold the same secret."""

        is_13 = system.of(a, "version") == "TLS13"
        secret = (f"secret.{n}" for n in a.role.covered["secret"])
        return conj(
            system.of(a, "keyed"),
            system.of(b, "keyed"),
            self._both(system, a, b, secret),
            implies(is_13, self._both(system, a, b, a.role.covered["hellos"])),
        )

    def same_keys(self, system: System, a: Instance, b: Instance) -> Expr:
        """Runs `a` and `b`, of different roles, hold the same session keys.

        They are made of the secret and the randoms of the handshake itself (RFC 5246 6.3).
        """
        randoms = ("client_random", "server_random", "sentinel")
        return conj(self.same_secret(system, a, b), self._both(system, a, b, randoms))

    def _both(self, system: System, a: Instance, b: Instance, names: Iterable[str]) -> Expr:
        """Runs `a` and `b` hold the same of each field."""
        return conj(
            *(eq(system.at(a, view(a.role, n)), system.at(b, view(b.role, n))) for n in names)
        )

    def _same_record_key(self, system: System, a: Instance, b: Instance, under: Expr) -> Expr:
        """What `b` sent under the key `under` is under the key that `a` reads with."""
        read = system.of(a, "read_key")
        now = disj(*((under == k) & (read == k) for k in ("handshake", "application")))
        pairs = [conj(now, self.same_keys(system, a, b))]
        early = a.role.covered.get("early", ())
        if early:
            both = conj(under == "early", read == "early")
            pairs.append(conj(both, self._both(system, a, b, early)))
        # The keys of the handshake before are that handshake's session keys.
        mine = system.by_name[a.prev] if a.prev and a.takes_over else None
        theirs = system.by_name[b.prev] if b.prev and b.takes_over else None
        for k, x in (("application", a), ("previous", mine)):
            for j, y in (("application", b), ("previous", theirs)):
                if x is not None and y is not None and "previous" in (k, j):
                    pairs.append(conj((under == j) & (read == k), self.same_keys(system, x, y)))
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
        seen = [
            f"{r.name}.sent_{m}"
            for r in system.runs
            for m in r.role.sends
            if m not in NEVER_SENT_HONESTLY
        ]
        noted = [
            n for x in leaks(self.capabilities) for r in system.runs for n in x.noted(system, r)
        ]
        return {n: Variable(BOOL, (False,)) for n in (*seen, *noted)}

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """Sending is always possible, and what was sent is seen; a secret is lost once."""
        if message.name in NEVER_SENT_HONESTLY:
            return TRUE, {}
        seen = f"{run.name}.sent_{message.name}"
        for x in leaks(self.capabilities):
            if x.message is message:
                return neg(var(seen, BOOL)), {seen: TRUE, **x.noted(system, run)}
        return TRUE, {seen: TRUE}

    def sources(self, system: System, run: Instance, message: Message) -> Iterable[Source]:
        """Forged, wrapped by the adversary, or replayed; see the head of this file."""
        read_key = system.of(run, "read_key")
        if message is UndecryptableRecord:
            # In the clear it is due only where a row expects records that cannot be read yet.
            rows = [r for r in run.role.table if r.kind == "receive" and r.message is message]
            due = system.of(run, "state").one_of(*(s for r in rows for s in r.sources))
            yield Source("forged", (read_key != "plaintext") | due)
            return
        if message.name == "TransportClose":
            yield Source("forged")
            return
        writes = self.knows_key(system, run, read_key)
        free = self._values(system, run, message)
        if "offer" in message.fields:
            yield from self._client_hellos(system, run, message, writes)
            return
        seals = {f: self._seal(system, run, message, f) for f in composites(message)}
        made_up = self._premaster(system, run, message)
        # What is there under one key only is not there under another.
        only = {r.role.under.get(message.name) for r in system.runs}
        if const("early", Key) in only:
            writes = writes & (read_key == "early")
        yield Source("forged", conj(writes, free, made_up), {}, seals)
        for q in system.runs:
            if q.name == run.name or message.name not in q.role.sends:
                continue
            if message.name in NEVER_SENT_HONESTLY:
                continue
            for e in q.role.times(message.name):
                bound = _at(system, q, e.fields)
                under = self._under(system, q, e.under)
                seen = conj(sent(q.name, message.name), system.at(q, e.when))
                name = f"{q.name}{e.name and ' ' + e.name}"
                inner = self._inner(message, bound)
                if inner:
                    # With a NULL cipher a record is authenticated but not hidden.
                    readable = self.knows_key(system, q, under) | system.of(q, "null_cipher")
                    yield Source(f"{name} via adversary", conj(writes, seen, readable, free), inner)
                if q.role.name != run.role.name:
                    same_key = self._same_record_key(system, run, q, under)
                    yield Source(name, conj(seen, same_key), bound)

    def _inner(
        self, message: Message, bound: Mapping[str, Expr | tuple[Expr, ...]]
    ) -> Mapping[str, Expr | tuple[Expr, ...]]:
        """The protected part of a message: its composites; all of an encrypted premaster."""
        if message.name == "ClientKeyExchange":
            return {f: bound[f] for f in ("exchange", "encrypted_to", "premaster_version")}
        return {f: bound[f] for f in composites(message)}

    def _seal(self, system: System, run: Instance, message: Message, field: str) -> Expr:
        """When the adversary can itself make the signature, MAC or proof that `run` expects."""
        if message.name == "Finished":
            # RFC 8446 4.4.4: its key is derived from the handshake traffic secret.
            base = (system.of(run, "version") == "TLS13") & self.lost_traffic_secret(
                system, run, "handshake"
            )
            return disj(self.knows_secret(system, run), base, neg(system.of(run, "keyed")))
        seals = []
        if field in run.role.earlier_seals:
            known = self.knows_earlier(system, run)
            if run.takes_over and run.prev is not None:
                # What the Finished before covered, by whoever could read those.
                known = self.knows_traffic_key(system, system.by_name[run.prev])
            seals.append(conj(run.role.earlier_seals[field], known))
        if field in run.role.shared_seals:
            seals.append(conj(run.role.shared_seals[field], self.lost(system, "ExternalKey")))
        if seals:
            return disj(*seals)
        # A signature by the key of the certificate that the receiver was given.
        if run.role.signer is None or "offer" in message.fields:
            return FALSE
        peer = "server" if run.role.name == "client" else "client"
        return self.owns(system, system.at(run, run.role.signer), peer)

    def _values(self, system: System, run: Instance, message: Message) -> Expr:
        """Limits on freely chosen fields: values that exist, nonces and shares that were seen."""
        parts: list[Expr] = []
        for f, d in message.fields.items():
            carrier = message.shown.get(f)
            if carrier is None:
                # Not a value that someone made (for a premaster see `_premaster`).
                if message.demands(f) and f not in ("exchange", "encrypted_to"):
                    parts.append(message.f[f] != "none")
                continue
            allowed = [message.f[f] == "adversary"]
            if not message.demands(f):
                allowed.append(message.f[f] == "none")
            for q in system.runs:
                # A session is one of a handshake before.
                usable = self._at_hand(system, run, q) or f == "session_id"
                if q.name in d.codes and carrier in q.role.sends and usable:
                    allowed.append((message.f[f] == q.name) & self._read(system, q, carrier))
            parts.append(disj(*allowed))
        if message.name == "ServerHello":
            parts.append(self._random(system, message))
        return conj(*parts)

    def _random(self, system: System, message: Message) -> Expr:
        """The sentinel is part of the random: with other last bytes it is the adversary's own,
        and that ends in no sentinel, since no rule asks for one. A TLS 1.3 hello echoes the
        client's session id (`none`); below, it carries one of the server's making."""
        f = message.f
        is_13 = f.version == "TLS13"
        of = [
            (f.random == q.name) & eq(f.sentinel, system.at(q, q.role.views["sentinel"]))
            for q in system.runs
            if q.role.name == "server"
        ]
        return conj(
            disj((f.random == "adversary") & (f.sentinel == "none"), *of),
            implies(is_13, f.session_id.one_of("none", "adversary")),
            implies(~is_13, (f.session_id != "none")),
        )

    def _premaster(self, system: System, run: Instance, message: Message) -> Expr:
        """What the adversary can put into a ClientKeyExchange of its own."""
        if message.name != "ClientKeyExchange":
            return TRUE
        f = message.f
        rsa = (
            system.at(run, server.suite.one_of(*RSA_SUITES)) if run.role.name == "server" else FALSE
        )
        allowed = [f.exchange == "adversary"]
        if not message.demands("exchange"):
            allowed.append(f.exchange == "none")
        for q in system.runs:
            if q.role.name == "client" and self._at_hand(system, run, q):
                share = self._read(system, q, "ClientKeyExchange")
                known = ite(rsa, self._knows_premaster(system, q), share)
                allowed.append((f.exchange == q.name) & known)
        to = ["honest", "adversary", *(q.name for q in system.runs if q.role.name == "server")]
        return conj(disj(*allowed), implies(rsa, f.encrypted_to.one_of(*to)))

    def _client_hellos(
        self, system: System, run: Instance, message: Message, writes: Expr
    ) -> Iterable[Source]:
        """The offer is some client's own, with its contents, or the adversary's, with any."""
        limits = conj(writes, self._values(system, run, message))
        # What no single field of the transcript covers is part of the offer.
        other = ("version", *message.shown, *message.record)
        lists = [f for f in message.fields if f not in other]
        seals = {f: self._seal(system, run, message, f) for f in composites(message)}
        yield Source("forged", limits, {"offer": const("adversary", ClientOwner)}, seals)
        for q in system.runs:
            if message.name in q.role.sends:
                bound = _at(system, q, q.role.sends[message.name])
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

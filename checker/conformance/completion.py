"""A learned machine beside the honest one: from which states a handshake can still be completed.

This decides whether a machine accepted a message, since silence after one message may be buffering.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property

from checker.conformance.alerts import DECRYPTION
from checker.conformance.honest import Configuration, HonestMachine, Key, honest_machine
from checker.conformance.learned import Mealy, Output, output, symbol

FOLLOWED = 4
"""The steps after a change of keys within which records are seen to fail to decrypt."""


class Completion:
    """Both machines, and the states of each from which a handshake can still be completed."""

    def __init__(self, machine: Mealy, config: Configuration) -> None:
        self.machine, self.config = machine, config
        self.model: HonestMachine = honest_machine(config)
        self.symbols = {a: symbol(a) for a in machine.inputs}
        self.alphabet = [a for a in machine.inputs if not self.symbols[a].harmless]
        self._hopeful: dict[Key, bool] = {}

    def state(self, key: Key) -> str:
        """The state of the model's run."""
        return str(self.model.value(key, "state"))

    def connected(self, key: Key) -> bool:
        """Whether the model's handshake is done and the connection still open."""
        return self.state(key) == "CONNECTED"

    @cached_property
    def ends(self) -> set[int]:
        """The learned states after a whole handshake in step with the model.

        -1 stands for the end of a machine that closes right after it.
        """
        out: set[int] = set()
        seen = {(self.machine.initial, self.model.initial)}
        queue = deque(seen)
        while queue:
            q, k = queue.popleft()
            for a in self.alphabet:
                to, text = self.machine.move[q][a]
                answer = self.model.step(k, self.symbols[a])
                got = output(text)
                if answer.alert:
                    continue
                done = self.connected(answer.key) and not self.connected(k)
                if done and not got.fatal:
                    if not got.closed:
                        out.add(to)
                    elif "ApplicationData" in got.messages:
                        out.add(-1)
                if got.refuses or self.model.over(answer.key):
                    continue
                if (to, answer.key) not in seen:
                    seen.add((to, answer.key))
                    queue.append((to, answer.key))
        return out

    @cached_property
    def live(self) -> set[int]:
        """The learned states from which a handshake, or data after it, can be completed."""
        live = {q for q in self.ends if q >= 0}
        shown = {"ApplicationData"}
        if self.config.role == "server" and self.config.version != "TLS13":
            shown |= {"Finished", "ChangeCipherSpec"}
        changed = True
        while changed:
            changed = False
            for q, row in enumerate(self.machine.move):
                if q not in live and any(
                    (to in live and not output(o).refuses) or shown & set(output(o).messages)
                    for to, o in row.values()
                ):
                    live.add(q)
                    changed = True
        return live

    def hopeful(self, key: Key) -> bool:
        """Whether the model can still complete a handshake."""
        hit = self._hopeful.get(key)
        if hit is None:
            hit = self._hopeful[key] = self._reaches_connected(key)
        return hit

    def _reaches_connected(self, key: Key) -> bool:
        if self.connected(key):
            return True
        seen, stack = {key}, [] if self.model.over(key) else [key]
        while stack:
            k = stack.pop()
            for a in self.alphabet:
                answer = self.model.step(k, self.symbols[a])
                if answer.alert or self.model.over(answer.key) or answer.key in seen:
                    continue
                if self.connected(answer.key):
                    return True
                seen.add(answer.key)
                stack.append(answer.key)
        return False

    def rekeyed(self, q: int) -> bool:
        """Whether records fail to decrypt in an answer within `FOLLOWED` steps from `q`."""
        level = {q}
        for _ in range(FOLLOWED):
            below: set[int] = set()
            for p in level:
                for to, text in self.machine.move[p].values():
                    o = output(text)
                    if o.hidden or o.fatal in DECRYPTION:
                        return True
                    if not o.refuses:
                        below.add(to)
            level = below
        return False

    def mute(self, got: Output, to: int) -> bool:
        """Whether an answer is undecryptable and final, and so most likely an alert."""
        return got.hidden and not got.messages and to not in self.live

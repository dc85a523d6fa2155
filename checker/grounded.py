"""The steps of a system and the values of its variables, kept between runs.

To ground a system and to find the values of its variables takes as long as a proof. What comes out
depends on data (the roles, their configuration, the network) and on the texts of the modules that
do it, so it is kept with a digest of both: an edit of a row touches the systems that have the row.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import zlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import model
from checker.kept import LARGEST, ODD, Kept, stated
from model import expr
from model.adversary.capabilities import capabilities
from model.expr import Domain, Expr
from model.role import Role
from model.rule import Rule
from model.system import Source, Step, System, Values

KIND = "system"
ROOT = Path(model.__path__[0])
_IMPORTS = re.compile(
    r"^\s*(?:from (model[\w.]*) import (\([^)]*\)|.*)|import (model[\w.]*))", re.M
)


def ready(system: System, kept: Kept | None) -> None:
    """Give the system its steps and values: those `kept`, if these are of the system as it is."""
    if kept is None or "values" in vars(system):
        return
    try:
        key = _key(system).encode()
    except TypeError:  # a network of one's own, that is more than data
        return
    data = kept.bytes_of(KIND)
    if data.startswith(key):
        try:
            vars(system).update(_unpacked(system, data.removeprefix(key)))
            return
        except (*ODD, pickle.UnpicklingError, EOFError, zlib.error):
            kept.unfit(KIND)
    kept.put(KIND, key + _packed(system))


# -- the digest ------------------------------------------------------------------------------------
def _key(system: System) -> str:
    """A digest of all that the steps and values of a system come from; TypeError if it has none."""
    memo: dict[int, bytes] = {}
    roles: dict[int, Hashable] = {}
    runs: list[Any] = []
    for r in system.runs:
        roles.setdefault(id(r.role), _data(r.role, memo))
        parts = {**vars(r), "role": [*roles].index(id(r.role))}
        runs.append(_data(parts, memo))
    network = _data(system.network, memo)
    said = repr((_texts(type(system.network).__module__), [*roles.values()], runs, network))
    return hashlib.sha256(said.encode()).hexdigest()


PLACE = ("file", "line")
"""Where a row stands in a file says nothing of what the row does."""


def _data(x: object, memo: dict[int, bytes]) -> Hashable:
    """What a value says, as plain data; TypeError for a value that is more than data."""
    if isinstance(x, Expr):
        return stated(x, memo)
    if x is None or isinstance(x, str | int | Enum):
        return x
    if isinstance(x, Mapping):
        return tuple((k, _data(v, memo)) for k, v in x.items())
    if isinstance(x, tuple | list):
        return tuple(_data(v, memo) for v in x)
    if isinstance(x, frozenset | set):
        return tuple(sorted(map(repr, x)))
    if is_dataclass(x):
        names = (f.name for f in fields(x) if f.name not in PLACE)
        return (type(x).__name__, *(_data(getattr(x, n), memo) for n in names))
    raise TypeError(f"{type(x).__name__} is no data")


DATA = ("model.extensions", "model.generations")
"""Modules of rows: what they make is data of the roles, whatever their texts are."""


@cache
def _texts(network: str) -> str:
    """A digest of the texts of the modules that ground a system over a network of that module."""
    waiting = [System.__module__, network, *(m.__name__ for m in capabilities().values())]
    found: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        if name not in found and name.startswith("model") and not name.startswith(DATA):
            path = _file(name)
            found[name] = path.read_bytes() if path else b""
            waiting += [name.rpartition(".")[0], *_imported(found[name].decode())]
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()


def _file(name: str) -> Path | None:
    """The file of a module of the model; None for a name that is no module."""
    path = ROOT.joinpath(*name.split(".")[1:])
    paths = (path / "__init__.py", path.with_suffix(".py"))
    return next((p for p in paths if p.is_file()), None)


def _imported(text: str) -> Iterator[str]:
    """The modules that a text imports, and what it imports from them, which may be modules."""
    for module, names, plain in _IMPORTS.findall(text):
        yield module or plain
        yield from (f"{module}.{n}" for n in re.findall(r"\w+", names))


# -- the data --------------------------------------------------------------------------------------
def _roles(system: System) -> list[Role]:
    """The roles of a system, each once."""
    return [*{id(r.role): r.role for r in system.runs}.values()]


def _packed(system: System) -> bytes:
    """The steps and values of a system."""
    rows = {id(row): (i, row.name) for i, r in enumerate(_roles(system)) for row in r.rules}

    class Packer(pickle.Pickler):
        def persistent_id(self, x: object) -> object:
            """The place of what the system has anyway: a row by its role and name."""
            return rows.get(id(x)) if isinstance(x, Rule) else None

    steps, values = system.raw_steps, system.values
    seen: dict[int, Expr] = {}
    stack = [e for s in steps for e in s.exprs] + [g for _, g in values.fireable]
    while stack:
        e = stack.pop()
        if id(e) not in seen:
            seen[id(e)] = e
            stack.extend(e.args)
    # Made again in the old order, since that of operands follows the order in which they are made.
    nodes = sorted(seen.values(), key=lambda e: e.serial)
    held = {n: d.values for n, d in values.domain.items()}
    out = io.BytesIO()
    Packer(out, pickle.HIGHEST_PROTOCOL).dump((nodes, steps, held, values.fireable))
    return zlib.compress(out.getvalue(), 1)


CLASSES: tuple[Any, ...] = (expr.made, Domain, expr.domain, Step, Source)
"""What the data may consist of, besides plain values."""


def _unpacked(system: System, data: bytes) -> dict[str, Any]:
    """The steps and values from the data; one of `ODD` if these are none."""
    for r in _roles(system):
        vars(r).setdefault("rules", r.unchecked)  # rows that made no error before make none now
    named = {(i, row.name): row for i, r in enumerate(_roles(system)) for row in r.rules}
    known = {(c.__module__, c.__qualname__): c for c in CLASSES}

    class Unpacker(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Rule:
            return named[pid]

        def find_class(self, module: str, name: str) -> Any:
            return known[module, name]

    unpacked = zlib.decompressobj()
    found = Unpacker(io.BytesIO(unpacked.decompress(data, LARGEST))).load()
    _, steps, held, fireable = found
    return {"raw_steps": steps, "values": Values.known(system, held, fireable)}

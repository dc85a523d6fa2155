"""The readers of text: what each is given, how that is mutated, and how a reading may end."""

from __future__ import annotations

import ast
import contextlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from checker import output, replay, request
from checker.arguments import ABOUT, arguments
from checker.attack import handshake
from checker.certificate import CLOSING, OPENING, Subject, write
from checker.conformance import audit
from checker.engines.symbolic import Proof, Prover
from checker.mutants import run as mutants
from checker.mutants import survivors
from checker.report import requirements
from checker.report.audit import as_text
from checker.report.audit import exit_status as audited
from model.scenario import scenario
from tests.hostile import mutations
from tests.hostile.kept import KEPT
from tests.hostile.law import Ended, Reader, called, command, limited

ROOT = Path(__file__).parents[2]


def _of_lines(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A change of one line of JSON, or of the bytes."""
    if chance.random() < 0.4:
        return mutations.of_bytes(data, chance, other)
    lines = data.splitlines()
    i = chance.randrange(len(lines))
    lines[i] = json.dumps(mutations.of_json(json.loads(lines[i]), chance)).encode()
    return b"\n".join(lines)


def _of_certificate(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A change of the clauses, or of all."""
    if chance.random() < 0.3:
        return mutations.of_bytes(data, chance, other)
    head, opening, rest = data.partition(OPENING.encode())
    clauses, closing, tail = rest.partition(CLOSING.encode())
    return head + opening + mutations.of_bytes(clauses, chance) + closing + tail


def _file(suffix: str, *words: str) -> Callable[[Path, bytes], Ended]:
    """A command that reads one file."""

    def read(folder: Path, data: bytes) -> Ended:
        path = folder / f"input{suffix}"
        path.write_bytes(data)
        return command(*(str(path) if w == "FILE" else w for w in words))

    return read


# -- recordings, learned machines, certificates, flaws, records of judgements ----------------------
def _recordings() -> Sequence[bytes]:
    lines = (ROOT / "tests/checker/example_handshake.jsonl").read_bytes()
    alert = b'{"direction": "client->server", "message": "Alert", "fields": '
    more = b'{"recording": "one"}\n' + lines + b'{"recording": "two", "resumes": "one"}\n' + lines
    return lines, more + alert + b'{"level": "fatal", "description": "decode_error"}}\n'


def _learned() -> Sequence[bytes]:
    small = (
        b'digraph g {\n__start0 -> s0;\ns0 -> s1 [label="ClientHello / ServerHello"];\n'
        b's0 -> s0 [label="Finished / Alert Fatal (Decode error)"];\n'
        b's1 -> s1 [label="ClientHello / "];\ns1 -> s1 [label="Finished / ConnectionClosed"];\n}\n'
    )
    return small, (ROOT / "tests/checker/example_server.dot").read_bytes()


def _audit(folder: Path, data: bytes) -> Ended:
    """The audit of one file without the search of weakened models, which takes seconds each."""
    path = folder / "input.dot"
    path.write_bytes(data)
    with limited():
        found = [audit.audit(str(path))]
    text = output.printable(as_text(found))
    status = audited(found)
    return Ended(status, "", text.splitlines()[3]) if status == 2 else Ended(status, text)


@cache
def _certificates() -> Sequence[bytes]:
    where = scenario("honest-half-close")
    p = next(p for p in request.properties_of(request.Request(), where) if p.kind == "invariant")
    system = where.system()
    holds = p.holds(system)
    proof = Prover(system, [holds]).prove(holds)
    assert isinstance(proof, Proof)
    return (write(system, holds, proof.invariant, Subject(where.name, p.name)).encode(),)


def _flaws() -> Sequence[bytes]:
    names = ("goto_fail", "early_ccs", "selfie", "truncation")
    return [(ROOT / f"model/flaws/{n}.py").read_bytes() for n in names]


def _of_flaw(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A change of the text, or of an expression in it."""
    if chance.random() < 0.4:
        return mutations.of_bytes(data, chance, other)
    tree = ast.parse(data)
    places: list[tuple[ast.AST, str, int | None]] = []
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                places.append((node, name, None))
            elif isinstance(value, list) and not isinstance(node, ast.Module):
                places += [(node, name, i) for i, v in enumerate(value) if isinstance(v, ast.expr)]
    node, name, i = chance.choice(places)
    found = [n for n in ast.walk(tree) if isinstance(n, ast.expr)]
    new = chance.choice((ast.Constant(chance.choice((*SCALARS, ()))), chance.choice(found)))
    if i is None:
        setattr(node, name, new)
    else:
        getattr(node, name)[i] = new
    try:
        return ast.unparse(tree).encode("utf-8", "surrogatepass")
    except (RecursionError, ValueError, AttributeError):  # a node put below itself
        return data


SCALARS = [v for v in mutations.VALUES if isinstance(v, str | int | float | None)]


@cache
def _flaw_number() -> Iterator[int]:
    return iter(range(1 << 30))


def _flaw(folder: Path, data: bytes) -> Ended:
    """A flaw file, and the system that it makes; a file's name is never used twice."""
    path = folder / f"flaw{next(_flaw_number())}.py"
    path.write_bytes(data)

    def read() -> str:
        asked = request.Request(flaw=str(path), states=1)
        notes = request.checked(asked)
        for where in request.scenarios_of(asked):
            request.system_of(asked, where)
        return "\n".join(notes)

    return called(read)


@cache
def _traces() -> Sequence[bytes]:
    trace = handshake("tls12-small", {"state": "CONNECTED"}, "a handshake")
    return (json.dumps(json.loads(replay.as_json(replay.Recorded(trace)))).encode(),)


def _judgements() -> Sequence[bytes]:
    about = ("check", "a_row", "a check", "a.py", "5246 7.4.9")
    known = mutants.Judged("tls12-small", *about, "killed", {"ORD-1": 4}, "", "0" * 20)
    odd = mutants.Judged("tls13", *about, "survives", {}, "no one knows", "1" * 20)
    return (f"{known.line()}\n{odd.line()}\n".encode(),)


def _record(folder: Path, data: bytes) -> Ended:
    path = folder / "record"
    path.write_bytes(data)
    return called(lambda: str(len([*mutants.recorded(str(path))])))


# -- tables of the project -------------------------------------------------------------------------
def _table(name: str, fill: Callable[[], object]) -> Callable[[Path, bytes], Ended]:
    """A reader of a table in `properties/`, where the table is another one."""

    def read(folder: Path, data: bytes) -> Ended:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        before = survivors.ROOT, request.ROOT, requirements.FOLDER
        survivors.ROOT = request.ROOT = folder
        requirements.FOLDER = folder / "rfc"
        for f in (survivors.reasons, survivors.recorded, request.expectations):
            f.cache_clear()
        requirements.requirements.cache_clear()
        try:
            return called(lambda: str(fill())[:0])
        finally:
            survivors.ROOT, request.ROOT, requirements.FOLDER = before
            for f in (survivors.reasons, survivors.recorded, request.expectations):
                f.cache_clear()
            requirements.requirements.cache_clear()

    return read


def _expected() -> object:
    return (
        request.expectations(),
        [request.declared(p, s) for p in ("LIV-1", "x") for s in ("tls12", "honest")],
        [request.size(scenario(n)) + 1 for n in ("tls12-small", "honest")],
        [dict(request.unreached(p)) for p in request.expectations().get("unreached", {})],
    )


MUTANTS = b"""kind."check" = { killed = 3, equivalent = 1, survives = 1, undecided = 0 }
file."tls12_client.py" = { killed = 3, equivalent = 1, survives = 1, undecided = 0 }

[[survivor]]
scenario = "tls12-small"
row = "a_row"
kind = "check"
what = "a check"
"""


# -- the command line ------------------------------------------------------------------------------
WORDS = """--scenario --engine --flaw --drop --time --memory --states --backend --checkpoint --rfc
    --resume --spill --format -o --certificates --role --version --row --record --touching --solver
    --live --all --fresh --check --clear --write --stop-at-first --traceback -x -- ---"""
NAMES = """tls12-small tls13 ORD-1 AUT goto_fail goto_fail@nobody early_ccs@client explicit symbolic
    client_receive_finished_WAIT_FIN_to_CONNECTED:verify_data reference c numpy json text jsonl 5246
    none /dev/null / . client server 1.2 promela tlaplus z3 properties"""


def _of_words(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A command line with something odd in it; no long work comes before that is noticed."""
    odd = chance.choice([*mutations.TEXTS, "1e400", "nan", "1_0", "\N{ARABIC-INDIC DIGIT THREE}"])
    name = chance.choice([n for n in ABOUT if n not in ("diagrams", "docs")])
    if chance.random() < 0.3:
        words = [name, *chance.choices((*WORDS.split(), *NAMES.split()), k=chance.randint(1, 4))]
        words.insert(chance.randint(0, len(words)), odd)
        words.append("--no-such-option")
        return json.dumps(words).encode()
    given: list[str] = []
    options = [a for x in arguments(name) for a in (x if isinstance(x, list) else [x])]
    at = chance.choice(options)
    for names, how in {id(x): x for x in (*chance.sample(options, 1), at)}.values():
        plain = chance.choice(NAMES.split())
        value = chance.choice((odd, odd, f"{plain}{odd}")) if names == at[0] else plain
        given += [names[-1]] * names[0].startswith("-")
        given += [value] * (how.get("action") in (None, "append"))
    return json.dumps([name, *LIMITS.get(name, ()), *given]).encode()


LIMITS = {
    "verify": ("--scenario", "retry-early-data-honest", "--states", "9", "--engine", "explicit"),
    **dict.fromkeys(("mutants", "tightness", "coverage"), ("--scenario", "no such scenario")),
    "list": ("no such kind",),
    "monitor": ("no such file",),
    "diff": ("no such tree",),
    "attacks": ("no such flaw",),
    "explore": ("--scenario", "no such scenario"),
}
"""What keeps a command short."""


def _words(folder: Path, data: bytes) -> Ended:
    with contextlib.chdir(folder):
        return command(*json.loads(data))


READERS = {
    "recording": Reader(_recordings, _file(".jsonl", "monitor", "FILE"), (0, 1, 2), 150, _of_lines),
    "learned": Reader(_learned, _audit, (0, 1, 2), 120),
    "flaw": Reader(_flaws, _flaw, (0, 2), 120, _of_flaw),
    "certificate": Reader(
        _certificates,
        _file(".smt2", "certify", "FILE", "--solver", "z3"),
        (0, 1, 2),
        100,
        _of_certificate,
    ),
    "trace": Reader(_traces, _file(".json", "replay", "FILE"), (0, 1, 2), 100, _of_lines),
    "judgements": Reader(_judgements, _record, (0, 2), 60, _of_lines),
    "expected": Reader(
        lambda: [(ROOT / "properties/expected.toml").read_bytes()],
        _table("expected.toml", _expected),
        (0, 4),
        60,
    ),
    "survivors": Reader(
        lambda: [(ROOT / "properties/survivors.toml").read_bytes()],
        _table("survivors.toml", lambda: survivors.reasons()),
        (0, 4),
        40,
    ),
    "mutants": Reader(
        lambda: [MUTANTS], _table("mutants.toml", lambda: survivors.recorded()), (0, 4), 40
    ),
    "requirements": Reader(
        lambda: [(ROOT / "properties/rfc/7627.toml").read_bytes()],
        _table("rfc/7627.toml", lambda: requirements.requirements("7627")),
        (0, 4),
        40,
    ),
    "words": Reader(lambda: [b"[]"], _words, (0, 1, 2, 3), 150, _of_words),
    **KEPT,
}
"""By name."""

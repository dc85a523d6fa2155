"""The readers of the project, and what holds for each whatever it is given.

A reading ends with a status that its command has. What is printed is one clear line if the input is
of no use, is never a traceback, and cannot speak to a terminal.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import random
import signal
import tempfile
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import checker.cache
from checker import cli, output, request
from checker.arguments import ABOUT, arguments
from checker.certificate import CLOSING, OPENING, Subject, write
from checker.conformance import audit
from checker.engines.checkpoint import Checkpoint
from checker.engines.interface import Budget, Question, described
from checker.engines.native import Native
from checker.engines.native_source import NativeError, available
from checker.engines.symbolic import Proof, Prover
from checker.kept import Kept, identity_of
from checker.mutants import run as mutants
from checker.mutants import survivors
from checker.report import requirements
from checker.report.audit import as_text
from checker.report.audit import exit_status as audited
from model.scenario import scenario
from tests.checker.test_engines import LAWS
from tests.contracts import mutations
from tests.toys import counters, handshake

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LONGEST = 2_000
"""The most characters of a line that says what is wrong."""
SECONDS = 60
"""A reading that takes so long hangs."""


@dataclass(frozen=True)
class Ended:
    """How a reading ended."""

    status: int
    out: str = ""
    err: str = ""


@dataclass(frozen=True)
class Reader:
    """A reader: what it reads, and how it is asked to."""

    samples: Callable[[], Sequence[bytes]]
    read: Callable[[Path, bytes], Ended]
    """Given an empty folder, and the input."""
    statuses: tuple[int, ...]
    """0 for what can be read; 2 for what cannot; others that the command has."""
    cases: int
    mutate: Callable[[bytes, random.Random, bytes], bytes] = mutations.of_bytes


def case(reader: Reader, name: str, number: int) -> bytes:
    """The mutated input of this number."""
    chance = random.Random(f"{name} {number}")
    samples = reader.samples()
    return reader.mutate(chance.choice(samples), chance, chance.choice(samples))


def wrong(reader: Reader, ended: Ended) -> str:
    """What the end of a reading has that it must not have; empty if it is well."""
    said = ended.out + ended.err
    if "Traceback" in said or "internal error" in said:
        return "an internal error"
    if ended.status not in reader.statuses:
        return f"exit status {ended.status}"
    for c in sorted({*said} - {"\n", "\t"}):
        if not c.isprintable():
            return f"a character {unicodedata.name(c, hex(ord(c)))} is printed"
    if ended.status in (2, 4) and not ended.out:
        lines = [x for x in ended.err.splitlines() if not x.startswith(("usage:", " "))]
        if len(lines) != 1:
            return f"{len(lines)} lines for one error"
    longest = max(map(len, said.splitlines()), default=0)
    if longest > LONGEST:
        return f"a line of {longest:,} characters"
    return ""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def late(*_: object) -> None:
        raise RuntimeError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def command(*words: str) -> Ended:
    """The end of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _limited():
        try:
            status = cli.main(words)
        except SystemExit as e:
            status = int(e.code or 0)
    return Ended(status, out.getvalue(), err.getvalue())


def called(call: Callable[[], str]) -> Ended:
    """The end of a part of a command, whose errors are told as those of a command are."""
    with _limited():
        try:
            return Ended(0, call())
        except Exception as e:
            says, status = cli.failed(e)
            return Ended(status, "", output.line(says))


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
    with _limited():
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


# -- checkpoints, kept answers, objects ------------------------------------------------------------
TOY = handshake.system
LEVELS = [1, 3, 3, 2, 2]


def _toy(cache: Path | None = None, **options: Any) -> Native:
    reads = [q.expr for q in _questions()]
    return Native(TOY.compile(*reads), cache=cache or checker.cache.folder(), **options)


def _questions() -> list[Question]:
    return [
        Question("green", TOY.of("asker", "colour") == "green"),
        Question("warm", TOY.of("asker", "warm")),
        Question("never", TOY.of("answerer", "colour") == "green"),
    ]


@cache
def _checkpoint() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        _toy(checkpoint=Path(name)).search(_questions(), Budget(states=6))
        return {p.name: p.read_bytes() for p in Path(name).iterdir() if p.name != "lock"}


def _resumed(folder: Path, files: dict[str, bytes]) -> Ended:
    for name, data in files.items():
        (folder / name).write_bytes(data)

    def read() -> str:
        questions = _questions()
        found = _toy(checkpoint=folder, resume=True).search(questions)
        assert (found.complete, sum(found.levels)) == (True, sum(LEVELS)), found
        return ""

    return called(read)


def _manifest(folder: Path, data: bytes) -> Ended:
    return _resumed(folder, {**_checkpoint(), "manifest.json": data})


def _array(folder: Path, data: bytes) -> Ended:
    name, _, rest = data.partition(b"\n")
    return _resumed(folder, {**_checkpoint(), name.decode(): rest})


def _filled(folder: Path, data: bytes) -> Ended:
    """A search whose arrays hold anything, with checksums that fit: it ends, whatever it finds."""
    files = dict(_checkpoint())
    arrays = dict(zip(Checkpoint.NAMES, data.split(SEPARATOR), strict=True))
    manifest = json.loads(files["manifest.json"])
    sizes = [len(x) // n for x, n in zip(arrays.values(), _toy().sizes, strict=True)]
    manifest["count"] = count = min(sizes)
    for name in ("bounds", "next", "asked"):
        old = manifest[name]
        manifest[name] = [0, count] if name == "bounds" else min(old, count)
    manifest["seen"] = [None if n is None else min(n, count - 1) for n in manifest["seen"]]
    parts = zip(arrays.values(), _toy().sizes, strict=True)
    manifest["sums"] = [zlib.crc32(x[: count * n]) for x, n in parts]
    for name, content in {
        **arrays,
        "manifest.json": json.dumps(resummed(manifest)).encode(),
    }.items():
        (folder / name).write_bytes(content)

    def read() -> str:
        questions = _questions()
        engine = _toy(checkpoint=folder, resume=True)
        engine.search(questions, Budget(states=10_000))
        for q in questions:
            if q.state is not None:
                with contextlib.suppress(NativeError):  # no path, which is said
                    engine.path(q.state)
        return ""

    return called(read)


SEPARATOR = b"\n--\n"


def _of_arrays(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """One array made of anything, or cut or longer; never empty."""
    parts = data.split(SEPARATOR)
    i = chance.randrange(3)
    change = chance.choice((lambda x: chance.randbytes(len(x)), lambda x: x * 40, None))
    new = change(parts[i]) if change else mutations.of_bytes(parts[i], chance)
    parts[i] = new.replace(SEPARATOR, b"") + bytes(16)
    return SEPARATOR.join(parts)


def _of_array(data: bytes, chance: random.Random, other: bytes) -> bytes:
    name, _, rest = data.partition(b"\n")
    return name + b"\n" + mutations.of_bytes(rest, chance, other)


def _of_manifest(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A manifest with other values; half of those with a checksum that fits."""
    if chance.random() < 0.3:
        return mutations.of_bytes(data, chance, other)
    changed = mutations.of_json(json.loads(data), chance)
    if chance.random() < 0.9 and isinstance(changed, dict):
        changed = resummed(changed)
    return json.dumps(changed).encode()


def resummed(data: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the checksum of its other values."""
    from checker.engines.checkpoint import checksum

    rest = {k: v for k, v in data.items() if k != "sum"}
    return {**rest, "sum": checksum(rest)}


def _compiled() -> Any:
    return TOY.compile(*(q.expr for q in _questions()))


@cache
def _kept_search() -> Sequence[bytes]:
    engine, questions = _toy(), _questions()
    found = engine.search(questions)
    said: list[Any] = []
    kept = Kept("toy", said.append)
    kept.write = lambda kind, data: said.append(dict(data))  # type: ignore[method-assign]
    kept.keep_search(
        identity_of(_compiled(), questions),
        found,
        questions,
        lambda q: described(engine.compiled, engine.path(q.state or 0)),
    )
    return (json.dumps(said[0]).encode(),)


def _packed(folder: Path, name: str, data: bytes) -> Kept:
    """What is kept, with these data under a checksum that fits."""
    notes: list[str] = []
    kept = Kept("toy", notes.append, folder)
    folder.chmod(0o700)
    checker.cache.write(folder / f"toy.{name}", zlib.compress(data))
    return kept


def _search_again(folder: Path, data: bytes) -> Ended:
    notes: list[str] = []
    kept = replace_note(_packed(folder, "search", data), notes)

    def read() -> str:
        questions = _questions()
        found = kept.search(TOY, identity_of(_compiled(), questions), questions)
        if found is not None:
            assert found[0].levels == LEVELS, found
            assert [q.state is not None for q in questions] == [True, True, False], questions
        return "".join(f"{n}\n" for n in notes)

    return called(read)


def replace_note(kept: Kept, notes: list[str]) -> Kept:
    """The same, with its notes in a list."""
    kept.note = notes.append
    return kept


@cache
def _kept_proofs() -> Sequence[bytes]:
    system = counters.system
    holds = [_law()]
    proof = Prover(system, holds).prove(holds[0])
    assert isinstance(proof, Proof)
    return (json.dumps({"law": vars(proof.found)}).encode(),)


def _law() -> Any:
    return next(law for name, law, holds in LAWS if name == "counters" and holds)


def _proofs_again(folder: Path, data: bytes) -> Ended:
    notes: list[str] = []
    kept = replace_note(_packed(folder, "proofs", data), notes)

    def read() -> str:
        proofs, law = kept.proofs(), _law()
        prover = Prover(counters.system, [law])
        prover.recall(proofs.values())
        known = proofs.get("law")
        found = (prover.recalled(law, known) if known else None) or prover.prove(law)
        assert isinstance(found, Proof), found
        return "".join(f"{n}\n" for n in notes)

    return called(read)


def _of_json(data: bytes, chance: random.Random, other: bytes) -> bytes:
    if chance.random() < 0.2:
        return mutations.of_bytes(data, chance, other)
    return json.dumps(mutations.of_json(json.loads(data), chance)).encode()


@cache
def _object_file() -> tuple[str, bytes]:
    """The name of the toy's object in a cache, and its bytes."""
    with tempfile.TemporaryDirectory() as name:
        _toy(Path(name)).search(_questions())
        (found,) = Path(name).glob("*.so")
        return found.name, checker.cache.read(found) or b""


def _object(folder: Path, data: bytes) -> Ended:
    """A cache with an object that is damaged, or that no system can load though its sum fits."""
    folder.chmod(0o700)
    path = folder / _object_file()[0]
    if data[:1] == b"+":
        checker.cache.write(path, data[1:])
    else:
        path.write_bytes(data[1:])
        path.chmod(0o700)

    def read() -> str:
        found = _toy(folder).search(_questions())
        assert found.levels == LEVELS
        return ""

    return called(read)


def _of_object(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A part of an object; with a checksum that fits ("+") only what no system would load."""
    if chance.random() < 0.3:
        return b"+" + data[: chance.randrange(64)]
    return b"-" + mutations.of_bytes(data, chance, b"")


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
    options = [a for x in arguments()[name] for a in (x if isinstance(x, list) else [x])]
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
    "kept-proofs": Reader(_kept_proofs, _proofs_again, (0,), 50, _of_json),
    "kept-search": Reader(_kept_search, _search_again, (0,), 50, _of_json),
}
"""By name."""
if not available():
    READERS |= {
        "manifest": Reader(
            lambda: [_checkpoint()["manifest.json"]], _manifest, (0, 2), 80, _of_manifest
        ),
        "array": Reader(
            lambda: [b"%s\n%s" % (n.encode(), x) for n, x in _checkpoint().items() if "bin" in n],
            _array,
            (0, 2),
            40,
            _of_array,
        ),
        "filled": Reader(
            lambda: [SEPARATOR.join(_checkpoint()[n] for n in Checkpoint.NAMES)],
            _filled,
            (0, 2),
            40,
            _of_arrays,
        ),
        "object": Reader(lambda: [_object_file()[1]], _object, (0,), 15, _of_object),
    }

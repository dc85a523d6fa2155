"""What an edit costs: the default run again after one change of the model or of a property.

python -m tests.benchmarks.edits [--edit N]... [words for verify]

A copy of the tree runs without any answers kept, and again, as it is. Then each edit is made alone
there, and `verify` runs: printed are the seconds of wall time to the first verdict (where an edit
changes one: the first that is not as declared) and to the last, the processor seconds, and how
many verdicts are not as declared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.spin import cpu_of_children

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("model", "properties", "checker", "diagrams")


@dataclass(frozen=True)
class Edit:
    """One change of a file: the text `old`, which stands there once, becomes `new`."""

    says: str
    file: str
    old: str
    new: str


EDITS = (
    Edit("a comment", "model/generations/tls12_client.py", "RULES = [\n", "# Rows.\nRULES = [\n"),
    Edit(
        "a check of TLS 1.2 dropped (signature of ServerKeyExchange)",
        "model/generations/tls12_client.py",
        """illegal_parameter"),
                    check("signature", signature_ok, "decrypt_error")],""",
        'illegal_parameter")],',
    ),
    Edit(
        "a state more (ChangeCipherSpec in WAIT_CKE)",
        "model/generations/tls12_server.py",
        'receive("server", ChangeCipherSpec, "WAIT_CCS"',
        'receive("server", ChangeCipherSpec, ("WAIT_CKE", "WAIT_CCS")',
    ),
    Edit(
        "a check of TLS 1.3 dropped (the server's view of the client's Finished)",
        "model/generations/tls13_server.py",
        """            checks=[check("verify_data",
                          same(Finished.f.verify_data, *verify_data("server", "client")),
                          "decrypt_error")],
""",
        "",
    ),
    Edit(
        "a check of an extension dropped (the group of a HelloRetryRequest)",
        "model/extensions/retry.py",
        """                check("group not shared yet", another, "illegal_parameter"),
""",
        "",
    ),
    Edit(
        "another alert (a HelloRetryRequest for a group already shared)",
        "model/extensions/retry.py",
        'check("group not shared yet", another, "illegal_parameter")',
        'check("group not shared yet", another, "handshake_failure")',
    ),
    Edit(
        "a check more (TLS 1.2 with ECDHE alone)",
        "model/generations/tls12_client.py",
        'checks=[check("group fits suite", group_fits, "illegal_parameter"),\n'
        '                    check("signature"',
        'checks=[check("ECDHE", ske.group == "ecdh", "illegal_parameter"),\n'
        '                    check("signature"',
    ),
    Edit(
        "an effect changed (a KeyUpdate that asks is not answered)",
        "model/extensions/key_update.py",
        '"must_answer": own.must_answer | (update',
        '"must_answer": own.must_answer & (update',
    ),
    Edit(
        "a property weakened (ORD-1 says nothing of servers)",
        "properties/order.py",
        "return [when(r.delivered).then(r.verified) for r in w.runs]",
        "return [when(r.delivered).then(r.verified) for r in w.clients]",
    ),
    Edit(
        "a property strengthened (data is delivered only after close)",
        "properties/order.py",
        "return [when(r.delivered).then(r.verified) for r in w.runs]",
        'return [when(r.delivered).then(r.state == "CLOSED") for r in w.runs]',
    ),
)


def run(folder: Path, words: list[str], says: str, file: Path, text: str) -> None:
    """Print a row of the table: a run with a file changed so."""
    before = cpu_of_children()
    kept = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    first, last, odd, total = verdicts(folder, words)
    file.write_text(kept, encoding="utf-8")
    used = cpu_of_children() - before
    shown = "-" if first is None else f"{first:.1f}"
    sys.stdout.write(f"| {says} | {shown} | {last:.1f} | {used:.0f} | {odd} of {total} |\n")
    sys.stdout.flush()


def verdicts(folder: Path, words: list[str]) -> tuple[float | None, float, int, int]:
    """Seconds to the first verdict to wait for and to the last, and how many are not as declared.

    The first one is that which is not as declared, or without such ones the very first. What is
    not as declared is noted before its turn.
    """
    cache = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "checker", "verify", "--format", "jsonl", *words]
    began, first, last, odd, total = time.monotonic(), None, 0.0, 0, 0
    one = None
    with subprocess.Popen(
        command, cwd=folder, env=cache, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("! "):
                first = first or time.monotonic() - began
            result = json.loads(line).get("result") if line.startswith("{") else None
            if result is None:
                continue
            last, total = time.monotonic() - began, total + 1
            one = one or last
            if result["verdict"] != result["declared"]:
                first, odd = first or last, odd + 1
    return first if odd else one, last, odd, total


def main() -> None:
    """Print a table of the edits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edit", type=int, action="append", help="the number of an edit, from 1")
    asked, words = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS:
            shutil.copytree(ROOT / part, folder / part)
        sys.stdout.write("| edit | first (s) | last (s) | CPU s | not as declared |\n")
        sys.stdout.write("|---|---|---|---|---|\n")
        same = folder / EDITS[0].file
        for says in ("nothing, and no answer is kept", "nothing"):
            run(folder, words, says, same, same.read_text(encoding="utf-8"))
        for i, edit in enumerate(EDITS, 1):
            if asked.edit and i not in asked.edit:
                continue
            path = folder / edit.file
            text = path.read_text(encoding="utf-8")
            assert text.count(edit.old) == 1, (edit, text.count(edit.old))
            run(folder, words, edit.says, path, text.replace(edit.old, edit.new))


if __name__ == "__main__":
    main()

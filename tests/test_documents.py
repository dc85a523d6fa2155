"""Every README tells the truth: its blocks run, it quotes the code exactly, its links lead.

The first line of a block names its language, and what else a test must know:

- `console`: a command after `$`, then its output. A line `...` stands for any lines. Those of other
  pages than the first are deep tests.
- `pycon`: a session at the Python prompt.
- `python FILE`: a quotation of that file.
"""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    p for p in ROOT.rglob("*.md") if not any(x.startswith(".") for x in p.relative_to(ROOT).parts)
)
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def blocks(language: str) -> list[object]:
    """The blocks of a language in every document: what follows the language, and the text."""
    out: list[object] = []
    for path in DOCUMENTS:
        for i, found in enumerate(BLOCK.finditer(path.read_text(encoding="utf-8"))):
            words = found[2].split()
            # A python block that names no file is an example, which the test of its guide runs.
            if found[1] == language and (words or language != "python"):
                deep = language == "console" and path != ROOT / "README.md"
                marks = [pytest.mark.deep if deep else pytest.mark.scenario]
                name = f"{path.relative_to(ROOT)}:{i}"
                out.append(pytest.param(words, found[3], id=name, marks=marks))
    return out


def follows(shown: str, printed: str) -> str:
    """The first shown line that is not printed in its place; empty if all are."""
    lines = printed.splitlines()
    at, anywhere = 0, False
    for line in shown.splitlines():
        if line == "...":
            anywhere = True
            continue
        hits = [i for i in range(at, len(lines)) if lines[i].rstrip() == line.rstrip()]
        hits = hits if anywhere else [i for i in hits if i == at]
        if not hits:
            return line
        at, anywhere = hits[0] + 1, False
    return "" if anywhere or at == len(lines) else lines[at]


def test_what_is_shown_is_compared_line_by_line() -> None:
    assert not follows("a\n...\nc\n", "a\nb\nc\n")
    assert follows("a\nc\n", "a\nb\nc\n") == "c"
    assert follows("a\n...\nd\n", "a\nb\nc\n") == "d"
    assert follows("a\n", "a\nb\n") == "b"


@pytest.mark.parametrize(("words", "text"), blocks("console"))
def test_a_command_prints_what_is_shown(words: list[str], text: str) -> None:
    command, _, shown = text.partition("\n")
    python, *arguments = shlex.split(command.removeprefix("$ "))
    assert python == "python"
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    missing = follows(shown, done.stdout)
    assert not missing, f"{command}\n{missing!r} is not in its place in\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(("words", "text"), blocks("pycon"))
def test_a_session_at_the_prompt_prints_what_is_shown(words: list[str], text: str) -> None:
    session = doctest.DocTestParser().get_doctest(text, {}, "session", None, None)
    assert session.examples
    problems: list[str] = []
    doctest.DocTestRunner().run(session, out=problems.append)
    assert not problems, "".join(problems)


@pytest.mark.parametrize(("words", "text"), blocks("python"))
def test_a_quotation_stands_in_its_file(words: list[str], text: str) -> None:
    (file,) = words
    code = (ROOT / file).read_text(encoding="utf-8")
    indented = [textwrap.indent(text, " " * n) for n in (0, 4)]
    assert any(x in code for x in indented), f"{file} has other lines"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path}: {target}"

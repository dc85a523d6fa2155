"""Lookup of names as people write them: the known name, or an error with near names.

Case does not matter, nor does `-`, `_` or a space between words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

LISTED = 12
"""The number of known names that an error lists if no name is near."""


SHOWN = 80
"""The longest part of a foreign text that an error shows."""


class UsageError(LookupError):
    """A mistake of the user; the text has expected against got and near names. Exit status 2."""


def shown(text: object) -> str:
    """A foreign text quoted, with control characters escaped, and shortened."""
    out = repr(text)
    return out if len(out) <= SHOWN else f"{out[:SHOWN]}... ({len(out):,} characters)"


def meant(what: str, name: str, known: Iterable[str]) -> str:
    """The name in `known` that `name` means; UsageError with the near names if there is none."""
    names = list(known)
    if name in names:
        return name
    for n in names:
        if _plain(n) == _plain(name):
            return n
    raise UsageError(unknown(what, name, names))


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The error text: "no flaw is called 'freek'; did you mean freak?"."""
    names = list(dict.fromkeys(known))
    more = ", ..." if len(names) > LISTED else ""
    some = f": expected one of {', '.join(names[:LISTED])}{more}" if names else ": there is none"
    return f"no {what} is called {shown(name)}{hint(name, names) or some}"


def hint(word: object, known: Iterable[object]) -> str:
    """The end of an error text: "; did you mean freak?", or nothing if no name is near."""
    plain: dict[str, str] = {}
    for k in known:
        plain.setdefault(_plain(k), str(k))
    if len(str(word)) > SHOWN:
        return ""
    near = [plain[n] for n in difflib.get_close_matches(_plain(word), plain, 3, 0.4)]
    return f"; did you mean {_either(near)}?" if near else ""


def _plain(word: object) -> str:
    return str(word).casefold().replace("_", "-").replace(" ", "-")


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))

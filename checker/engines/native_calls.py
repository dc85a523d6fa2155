"""The functions of native.c, with the types of their arguments and results."""

from __future__ import annotations

import ctypes
from typing import Any

NEVER = (1 << 64) - 1
"""As a limit: none. As the answer to a question: none."""
DONE, LIMIT, BUDGET, NO_MEMORY, NO_DISK, NARROW = range(6)


class Head(ctypes.Structure):
    """The first fields of `Search` in native.c."""

    _fields_ = (
        ("words", ctypes.c_void_p),
        ("parent", ctypes.c_void_p),
        ("via", ctypes.c_void_p),
        ("count", ctypes.c_uint64),
        ("next", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("memory", ctypes.c_uint64),
        ("seen", ctypes.POINTER(ctypes.c_uint64)),
        ("edges", ctypes.POINTER(ctypes.c_uint64)),
        ("batches", ctypes.c_uint64),
    )

    words: int | None
    parent: int | None
    via: int | None
    count: int
    next: int
    limit: int
    memory: int
    seen: Any
    edges: Any
    batches: int


def declare(lib: ctypes.CDLL) -> ctypes.CDLL:
    """The library `lib`, its functions given their types."""
    head, u64 = ctypes.POINTER(Head), ctypes.c_uint64
    if hasattr(lib, "collapse_new"):
        mine: Any = (
            ("collapse_new", head, [ctypes.c_void_p, u64, ctypes.POINTER(ctypes.c_int)]),
            ("collapse_begin", ctypes.c_int, [head, ctypes.POINTER(u64)]),
            ("collapse_read", None, [head, u64, u64, ctypes.c_void_p]),
            ("collapse_write", ctypes.c_int, [head, u64, u64, ctypes.c_void_p]),
        )
    else:
        mine = (("search_new", head, [u64, ctypes.POINTER(ctypes.c_int)]),)
    for name, result, arguments in (
        *mine,
        ("search_free", None, [head]),
        ("search_bytes", u64, [head]),
        ("search_begin", ctypes.c_int, [head, ctypes.POINTER(u64)]),
        ("search_ask", ctypes.c_int, [head, u64, u64, ctypes.c_int]),
        ("search_expand", ctypes.c_int, [head, u64, u64, ctypes.c_int]),
        ("search_room", ctypes.c_int, [head, u64]),
        ("search_allocate", ctypes.c_int, [head, ctypes.c_int, ctypes.c_int]),
        ("search_move", ctypes.c_int, [head, ctypes.c_int, ctypes.c_int]),
        ("search_restore", ctypes.c_int, [head, u64]),
    ):
        f = getattr(lib, name)
        f.restype, f.argtypes = result, arguments
    return lib

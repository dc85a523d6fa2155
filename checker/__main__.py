"""`python -m checker`."""

import os
import sys
from contextlib import suppress

from checker.signals import stoppable


def begin() -> int:
    """The exit status of the command, which can be interrupted while modules are loaded, too."""
    try:
        with stoppable():
            from checker.cli import main

            status = main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        status = 130
    except (ImportError, MemoryError):
        from checker.engines.room import lacking

        if not lacking():
            raise
        sys.stderr.write(f"not decided: {lacking()}\n")
        return 3
    if status == 130:
        # After an interrupt within `exec`, as of a dataclass, the interpreter ends by SIGINT.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError):
                stream.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(begin())

"""The modules of a package, found without a list: extensions, flaws, properties."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import traceback
import warnings
from pathlib import Path
from types import ModuleType

from model.near import UsageError, hint
from model.rule import ModelError


def modules(package: str, *names: str) -> dict[str, ModuleType]:
    """The modules of `package` by file name, sorted, each of which defines all of `names`.

    A file whose name begins with `_` is skipped. ModelError with file and line for a module that
    cannot be imported or lacks a name.
    """
    out = {}
    folders = [Path(p) for p in importlib.import_module(package).__path__]
    found = sorted({i.name for i in pkgutil.iter_modules(map(str, folders))})
    for name in found:
        if name.startswith("_"):
            continue
        try:
            module = importlib.import_module(f"{package}.{name}")
        except (ModelError, UsageError):
            raise
        except Exception as e:
            raise ModelError(failure(e, folders[0] / f"{name}.py")) from e
        for n in names:
            if not hasattr(module, n):
                raise ModelError(f"{_short(folders[0] / name)}.py: it must define {n}")
        out[name] = module
    return out


def execute(path: Path) -> ModuleType:
    """The module of a file of one's own; UsageError with the line at which the file fails."""
    if not path.is_file():
        raise UsageError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: expected a file of Python, whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # which would show the line as it is
            spec.loader.exec_module(module)
    except UsageError:
        raise
    except (Exception, SystemExit) as e:
        raise UsageError(failure(e, path)) from e
    return module


def failure(error: BaseException, file: Path, line: int = 0) -> str:
    """The error text for a file that cannot be run: "model/flaws/x.py:3: invalid syntax".

    The line is the last one in the folder of `file` that ran, but for a package's own code; `line`
    if none did.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(Path(error.filename))}:{error.lineno}: {error.msg}"
    folder = file.resolve().parent
    ran = [(Path(f.filename), f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    beside = [(p, n) for p, n in ran if p.resolve().parent == folder and p.name != "__init__.py"]
    where, at = (beside or [(file, line)])[-1]
    plain = isinstance(error, (AttributeError, ModelError, NameError, TypeError, ValueError))
    says = f"{'' if plain else type(error).__name__ + ': '}{error}"
    if isinstance(error, AttributeError) and "did you mean" not in says:
        says += hint(error.name or "", (n for n in dir(error.obj) if not n.startswith("_")))
    return f"{_short(where)}:{at}: {says}"


def _short(path: Path) -> Path:
    """`path` relative to the working directory, if inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path

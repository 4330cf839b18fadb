# SPDX-License-Identifier: Apache-2.0
"""The script that Apache loads: it loads the application that `sluice serve` was given.

script.py writes a copy of this file, with the constants of one server in place of those here.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import socket
import sys
import time
import traceback
from types import ModuleType
from typing import Any

# Constants of the server
KIND = "file"
NAME = ""
CALLABLE: str | None = None
WORKING_DIRECTORY: str | None = None
PACKAGE_ROOT: str | None = None
RELOAD = False
REPORT_TO: str | None = None
# End of constants

USUAL_NAMES = ("application", "app")
CLOCK_SECONDS = 0.02  # a file system may have the time of the last tick
started = time.time() - CLOCK_SECONDS
seen: dict[str, int | None] = {}
"""Times of modification of the files of loaded modules."""


def load() -> Any:
    """Return the application."""
    if WORKING_DIRECTORY is not None:
        os.chdir(WORKING_DIRECTORY)
        sys.path.insert(0, WORKING_DIRECTORY)
    if PACKAGE_ROOT is not None and PACKAGE_ROOT not in sys.path:
        sys.path.append(PACKAGE_ROOT)  # as the last, so that nothing there has the place of another module
    if KIND == "django":
        os.environ["DJANGO_SETTINGS_MODULE"] = NAME
        from django.core.servers.basehttp import get_internal_wsgi_application

        return get_internal_wsgi_application()
    module = importlib.import_module(NAME) if KIND == "module" else load_file(NAME)
    names = USUAL_NAMES if CALLABLE is None else (CALLABLE,)
    found = [name for name in names if hasattr(module, name)]
    for name in found:
        if callable(getattr(module, name)):
            return getattr(module, name)
    if found:
        raise TypeError(f"{found[0]} of {NAME} is not callable, but of type {type(getattr(module, found[0])).__name__}")
    hint = f"; for a file of it, name the module: {NAME}.wsgi" if KIND == "module" and hasattr(module, "__path__") else ""
    raise AttributeError(f"{NAME} has no callable {' or '.join(names)}{hint}")


def load_file(path: str) -> ModuleType:
    """Return the module of a file."""
    name = name_of_module(path)
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, loader, origin=path))
    module.__file__ = path
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def name_of_module(path: str) -> str:
    """Return the name that `import` would find the file by, so that modules which import it get the same one; else a neutral name.

    `import` does not find shop.wsgi by the name `shop`, nor shop.py beside a package `shop`.
    """
    name, suffix = os.path.splitext(os.path.basename(path))
    beside = os.path.join(os.path.dirname(path), name, "__init__.py")
    importable = suffix == ".py" and name.isidentifier() and not os.path.exists(beside)
    return name if importable and name not in sys.modules else "sluice_application"


def report(message: str) -> None:
    """Tell `sluice serve` how loading has ended."""
    if REPORT_TO is None:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(errors="replace")[:4000], REPORT_TO)
    except OSError:
        pass  # It has ended, or no longer listens.


def files() -> set[str]:
    """Return the source files of the loaded modules, and of the one that could not be loaded."""
    sources = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return {name for name in sources | failed_files if isinstance(name, str) and name.endswith((".py", ".pyi", ".so"))}


def modified(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def has_changed(path: str) -> bool:
    now = modified(path)
    if path in seen:
        return seen[path] != now
    seen[path] = now
    # A file that this process sees for the first time may have changed since it was loaded. A time in the future tells nothing.
    return now is not None and started < now / 1e9 <= time.time()


def any_changed() -> bool:
    return bool([path for path in files() if has_changed(path)])


def remove_own_frames(error: BaseException) -> None:
    """Let the traceback of an exception begin in the application, if any of it is there."""
    at = error.__traceback__
    while at is not None and (at.tb_frame.f_code.co_filename == __file__ or "importlib" in at.tb_frame.f_code.co_filename):
        at = at.tb_next
    error.__traceback__ = at or error.__traceback__


def files_of_failure(error: BaseException) -> set[str | None]:
    """Return the files in the traceback of an exception, one of which has the mistake."""
    names = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
    return names | {getattr(error, "filename", None)}


failed_files: set[str | None] = {NAME} if KIND == "file" else set()
try:
    application = load()
except BaseException as error:
    last_line = traceback.format_exception_only(error)[-1].strip()
    report(f"failed: {last_line}")
    remove_own_frames(error)
    if not RELOAD:
        raise
    traceback.print_exception(error)
    failed_files |= files_of_failure(error)

    reason = f"The application does not load: {last_line}\n"

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer with the reason, until the mistake is mended."""
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [reason.encode()]

else:
    report("loaded")

if RELOAD:
    changed_while_loading = any_changed()

    def reload_required(path: str) -> bool:
        """Return whether a loaded module has changed. The server replaces the process then."""
        return any_changed() or changed_while_loading

# SPDX-License-Identifier: Apache-2.0
"""The lines for the directories whose files Apache serves itself.

The longest URL has precedence over the others, that of the application included. At the URL of the application its files
come first, and the application has every request that no file is for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sluice.commands import CommandError
from sluice.commands.quoting import checked, folder, quoted
from sluice.commands.serve.options import is_within

ALIAS = "Alias {url} {path}"
REWRITING = "RewriteEngine On"
# A virtual host, such as that of HTTPS, has the rules of the server only where it says so.
INHERITING = "    RewriteEngine On\n    RewriteOptions Inherit\n"
DIRECTORY = """\
<Directory {path}>
    Require all granted
    DirectoryIndex index.html
</Directory>
<FilesMatch "^\\.ht">
    Require all denied
</FilesMatch>"""
# mod_dir looks at every other URL as well, if it may.
NO_INDEX = "DirectoryIndex disabled\nDirectorySlash Off"


def modules(static: Sequence[tuple[str, Path]], mount: str) -> list[str]:
    """Return the names of Apache's modules that the lines need."""
    if not static:
        return []
    return ["alias", "dir", "mime", *(["rewrite"] if _has_rules(static, mount) else [])]


def lines_of_virtual_host(static: Sequence[tuple[str, Path]], mount: str) -> str:
    """Return what a virtual host needs to serve the files as well."""
    return INHERITING if _has_rules(static, mount) else ""


def lines(static: Sequence[tuple[str, Path]], mount: str) -> list[str]:
    """Return the lines of pairs of a URL and a directory, for an application at `mount`."""
    if not static:
        return []
    # Apache's own file of types is not everywhere; this one is written from Python's.
    directives = ['TypesConfig "mime.types"', NO_INDEX]
    # The first alias and the first rule that match have precedence, so the longest come first.
    longest_first = sorted(static, key=lambda pair: -len(pair[0]))
    rules = [rule for url, path in longest_first if is_within(mount, url) for rule in _rules(url, path, mount, static)]
    directives += [REWRITING, *rules] if rules else []
    others = [(url, path) for url, path in longest_first if not is_within(mount, url)]
    directives += [ALIAS.format(url=quoted(url, "--static"), path=quoted(path, "--static")) for url, path in others]
    return [*directives, *(DIRECTORY.format(path=folder(path, "--static")) for path in dict.fromkeys(path for _, path in static))]


def _has_rules(static: Sequence[tuple[str, Path]], mount: str) -> bool:
    return any(is_within(mount, url) for url, _ in static)


def _rules(url: str, path: Path, mount: str, static: Sequence[tuple[str, Path]]) -> list[str]:
    """Return the rule for a directory at the URL of the application or above it, which an alias would hide."""
    longer = {other for other in (mount, *(other for other, _ in static)) if other != url and is_within(other, url)}
    conditions = [f'RewriteCond "%{{REQUEST_URI}}" "!^{_pattern(other)}(?:/|$)"' for other in sorted(longer)]
    file = _word_of_rule(path)
    if url == mount:
        conditions.append(f"RewriteCond {file} -f")
    return [*conditions, f'RewriteRule "^{_pattern(url)}/(.*)$" {file} [L]']


def _pattern(url: str) -> str:
    return re.sub(r"[^\w/]", r"[\g<0>]", url.rstrip("/"))


def _word_of_rule(path: Path) -> str:
    """Return the word of a rule for the file that it has found. Rules have quotes of their own, and an escape for what they replace."""
    text = checked(path, "--static")
    if "?" in text or ("'" in text and '"' in text):
        raise CommandError(f"a directory with '?' or both quotes in its name cannot be served at the URL of the application: {text}")
    quote = "'" if '"' in text else '"'
    return quote + re.sub(r"[\\$%]", r"\\\g<0>", text) + f"/$1{quote}"

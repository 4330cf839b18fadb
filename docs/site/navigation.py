# SPDX-License-Identifier: Apache-2.0
"""The contents of the site: which pages there are, in which order. The pages themselves do not say it, because a list for Sphinx
in a Markdown file would be seen by those who read the file in a clone. A link that shows the name of a file in a clone, as
`endpoint.md`, shows the title of the page on the site. A row of docs/messages.md can be linked by its id, in lower case."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx

SECTIONS = {
    "Start": ["First steps </README>"],
    "Operate Apache": [
        *("/docs/commands", "/docs/configuration", "/docs/endpoint", "/docs/telemetry", "/docs/fleet", "/docs/security", "/docs/messages"),
        *("/docs/sluice-or-mod-wsgi", "/docs/parity"),
    ],
    "Read the numbers": ["/docs/metrics", "/docs/benchmarks"],
    "Write a C++ server": ["/docs/library", "/docs/errors", "/docs/stability", "/docs/api/README", "/docs/sluice-or-prometheus-cpp"],
    "Examples": ["/examples/*README", "/examples/**/README"],
    "Change Sluice": ["/CONTRIBUTING", "/SECURITY", "/CHANGELOG", "/docs/architecture", "/docs/glossary", "/docs/memory-model"],
    "Folders of the source": [
        *("/core/**README", "/bindings/**README", "/adapters/**README", "/bench/**README", "/tests/**README"),
    ],
}
MESSAGE = re.compile(r"SLC\d{4}")
API = ["record", "read", "encode", "endpoint", "processes"]


def toctree(caption: str, pages: list[str]) -> str:
    """A hidden list of contents in the language of MyST."""
    options = [":hidden:", ":glob:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def add_contents(_: Sphinx, name: str, source: list[str]) -> None:
    if name == "docs/README":
        source[0] += "".join(toctree(caption, pages) for caption, pages in SECTIONS.items())
    elif name == "docs/api/README":
        source[0] += toctree("", API)


def anchor_messages(app: Sphinx, document: nodes.document) -> None:
    if app.env.docname != "docs/messages":
        return
    for row in document.findall(nodes.row):
        if MESSAGE.fullmatch(identity := row.children[0].astext()):
            row["ids"].append(identity.lower())


def show_titles(app: Sphinx, document: nodes.document, name: str) -> None:
    for link in document.findall(nodes.reference):
        if not link.astext().endswith(".md") or "refuri" not in link:
            continue
        path = urlsplit(link["refuri"]).path.removesuffix(".html")
        page = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        if title := app.env.titles.get(page):
            link.children = [nodes.inline("", title.astext())]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add_contents)
    app.connect("doctree-read", anchor_messages)
    app.connect("doctree-resolved", show_titles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

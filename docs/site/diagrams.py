# SPDX-License-Identifier: Apache-2.0
"""Diagrams in the language of Mermaid, which GitHub draws too: a block ```mermaid becomes a picture that the browser draws with a
copy of Mermaid in the site. Only pages with a diagram load it."""

from __future__ import annotations

import html
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

PROGRAM = Path(__file__).parents[2] / "build/node/mermaid.min.js"
START = """\
const dark = document.body.dataset.theme === "dark" ||
  (document.body.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
mermaid.initialize({startOnLoad: true, securityLevel: "strict", theme: dark ? "dark" : "neutral"});
"""


class Diagram(nodes.General, nodes.Element):
    """The text of a diagram."""


def find_diagrams(_: Sphinx, document: nodes.document) -> None:
    for block in list(document.findall(nodes.literal_block)):
        if block.get("language") == "mermaid":
            block.replace_self(Diagram("", text=block.astext()))


def write(translator: HTML5Translator, node: Diagram) -> None:
    translator.body.append(f'<pre class="mermaid">{html.escape(node["text"])}</pre>\n')
    raise nodes.SkipNode


def load_program(app: Sphinx, _: str, __: str, ___: dict[str, object], document: nodes.document | None) -> None:
    if document is not None and next(iter(document.findall(Diagram)), None) is not None:
        app.add_js_file(PROGRAM.name)
        app.add_js_file(None, body=START)


def copy_program(app: Sphinx, error: Exception | None) -> None:
    if error is not None:
        return
    if not PROGRAM.exists():
        raise ExtensionError(f"{PROGRAM} is missing: make docs brings it")
    shutil.copy(PROGRAM, Path(app.outdir) / "_static" / PROGRAM.name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(Diagram, html=(write, None))
    app.connect("doctree-read", find_diagrams)
    app.connect("html-page-context", load_program)
    app.connect("build-finished", copy_program)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

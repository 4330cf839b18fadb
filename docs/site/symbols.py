# SPDX-License-Identifier: Apache-2.0
"""Links from the site's pages to the C++ API. Names of the library in code spans, as `Recorder` or `Registry::read()`, become links to
the page that documents them. Classes come first on a page of the API. Headers and namespaces, for which Breathe wants links,
stay names: they have no pages."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import desc, index, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

API = "docs/api/"
PAGES = ("README", "docs/library", "docs/errors", "docs/architecture", "docs/memory-model", API)
NAMESPACES = ("sluice::", "sluice::encode::", "sluice::views::")
NAME = re.compile(r"(?:sluice::)?(?P<name>(?:encode::)?[A-Z]\w*(?:::\w+)*|[a-z]\w*::\w+|[a-z]\w*(?=\(\)))(?:\(\))?")
WITHOUT_PAGE = re.compile(r"_8hpp(_source)?$|^namespacesluice")
CLASSES = ("class", "struct")


class LinkSymbols(SphinxTransform):
    default_priority = 10

    def apply(self, **_: object) -> None:
        if not self.env.docname.startswith(PAGES):
            return
        for literal in list(self.document.findall(nodes.literal)):
            match = NAME.fullmatch(literal.astext())
            if match and not isinstance(literal.parent, nodes.reference):
                literal.replace_self(reference(literal, match["name"], self.env.docname))


def reference(literal: nodes.literal, name: str, page: str) -> pending_xref:
    """A link if such a symbol is documented, the code span alone otherwise."""
    return pending_xref(
        "", literal.deepcopy(), refdomain="cpp", reftype="any", reftarget=NAMESPACES[0] + name, refdoc=page,
        refexplicit=True, refwarn=False, symbol=name,
    )


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Node) -> nodes.Node | None:
    """A reference that is in none of the pages: to a name of an inner namespace, to a header, or to a namespace."""
    if WITHOUT_PAGE.search(node["reftarget"]):
        return shown
    if not (name := node.get("symbol")):
        return None
    domain = env.get_domain("cpp")
    for namespace in NAMESPACES[1:]:
        target = namespace + name
        if resolved := domain.resolve_xref(env, node["refdoc"], app.builder, "any", target, node, shown):
            return resolved
    return None


def sort_api(app: Sphinx, document: nodes.document) -> None:
    """Puts classes first; within each kind the order is that of the headers."""
    if not app.env.docname.startswith(API):
        return
    for section in document.findall(nodes.section):
        entries = [child for child in section.children if isinstance(child, (index, desc))]
        pairs = list(zip(entries[::2], entries[1::2], strict=True))
        pairs.sort(key=lambda pair: pair[1]["objtype"] not in CLASSES)
        section.children = [child for child in section.children if child not in entries]
        section.extend(node for pair in pairs for node in pair)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(LinkSymbols)
    app.connect("doctree-read", sort_api)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

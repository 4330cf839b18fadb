"""Names of the C++ library in code spans, as `Recorder` or `Registry::read()`, become links to the page that documents them."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

PAGES = ("README", "docs/library", "docs/errors", "docs/architecture", "docs/api/")
NAME = re.compile(r"(?:sluice::)?(?P<name>[A-Za-z_]\w*(?:::\w+)*)(?:\(\))?")
# Words that are ordinary code in other languages, too.
ORDINARY = {"None", "float", "int", "bool", "true", "false"}


class LinkSymbols(SphinxTransform):
    default_priority = 10

    def apply(self, **_: object) -> None:
        if not self.env.docname.startswith(PAGES):
            return
        for literal in list(self.document.findall(nodes.literal)):
            found = NAME.fullmatch(literal.astext())
            if found and found["name"] not in ORDINARY and not isinstance(literal.parent, nodes.reference):
                literal.replace_self(reference(literal, found["name"], self.env.docname))


def reference(literal: nodes.literal, name: str, page: str) -> pending_xref:
    """A link if such a symbol is documented, the code span alone otherwise."""
    return pending_xref(
        "", literal.deepcopy(), refdomain="cpp", reftype="any", reftarget=f"sluice::{name}", refdoc=page,
        refexplicit=True, refwarn=False,
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(LinkSymbols)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

# SPDX-License-Identifier: Apache-2.0
"""The links of a built site: those that lead nowhere, and what its pages load from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LINKS = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}


@dataclass
class Page(HTMLParser):
    """The anchors of a page, its links, and the files that it loads."""

    ids: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.ids |= {name for key in ("id", "name") if (name := values.get(key))}
        if target := values.get(LINKS.get(tag, "")):
            self.links.append((tag, target))


def read(site: Path) -> dict[Path, Page]:
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path.resolve()] = page = Page()
        page.feed(path.read_text(encoding="utf-8"))
    return pages


def broken(site: Path) -> list[str]:
    """One line for each link to a file or an anchor of the site that does not exist."""
    pages = read(site)
    return [
        f"{path.relative_to(site.resolve())}: {target}"
        for path, page in pages.items()
        for _, target in page.links
        if not urlsplit(target).scheme and not urlsplit(target).netloc and not exists(path, target, pages)
    ]


def exists(path: Path, target: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(target)
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not parts.fragment or file not in pages:
        return file.is_file()
    return unquote(parts.fragment) in pages[file].ids


def loaded_from_elsewhere(site: Path) -> set[str]:
    """Addresses on other hosts that a browser asks for when it shows the site."""
    links = [link for page in read(site).values() for link in page.links]
    return {target for tag, target in links if tag != "a" and urlsplit(target).netloc}

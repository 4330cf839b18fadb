# SPDX-License-Identifier: Apache-2.0
"""The blocks of code in the Markdown files of the repository, and the list of those that no test here runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
DRAWINGS = "drawings and formulas, no code"

# Blocks that another suite runs: its file names the document, so that a search for the document finds it.
RUN_ELSEWHERE = {
    ("docs/commands.md", "sh"): "tests/commands/test_documentation.py",
    ("docs/commands.md", "nginx"): "tests/commands/test_serve_socket.py",
    ("examples/container/README.md", "yaml"): "tests/commands/test_container.py",
    ("docs/fleet.md", "yaml"): "tests/examples/test_fleet_cost.py",
    ("README.md", "python"): "tests/examples/test_readme.py",
    ("docs/configuration.md", "python"): "tests/apache/test_python_modules.py",
}

# Blocks that no test runs, and why.
NOT_RUN = {
    ("docs/commands.md", "text"): "shows what a command prints: tests/commands/test_check.py expects each of its lines",
    ("CONTRIBUTING.md", "sh"): "would run the suites inside of a suite; the targets and paths are checked",
    ("README.md", "sh"): "would run the suites inside of a suite; the targets are checked, tests/examples runs the demo",
    ("adapters/packaging/README.md", "sh"): "installs a package: tests/packages does so in fresh installations",
    ("docs/telemetry.md", "sh"): "installs from PyPI: tests/telemetry starts the same service with the same options",
    ("docs/memory-model.md", ""): DRAWINGS,
}


@dataclass(frozen=True)
class Block:
    path: str
    line: int
    language: str  # "" if none is named
    code: str

    @property
    def kind(self) -> tuple[str, str]:
        return self.path, self.language

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def documents() -> list[Path]:
    """The Markdown files of the repository. Those of the tests show nothing but how to run the tests."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "build", "tests"))]
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))])


def blocks_of(path: str, text: str) -> list[Block]:
    """The blocks of a document, as its reader copies them. What Sphinx alone understands is none."""
    tokens = [token for token in MarkdownIt().enable("table").parse(text) if token.type in ("fence", "code_block")]
    return [
        Block(path, token.map[0] + 1 if token.map else 0, token.info.strip(), token.content)
        for token in tokens
        if not token.info.startswith("{")
    ]


def all_blocks() -> list[Block]:
    return [
        block
        for path in documents()
        for block in blocks_of(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]


def blocks_in(language: str) -> list[Block]:
    """The blocks in a language that this suite has to run itself."""
    left_out = RUN_ELSEWHERE.keys() | NOT_RUN.keys()
    return [block for block in all_blocks() if block.language == language and block.kind not in left_out]

# SPDX-License-Identifier: Apache-2.0
"""Configuration of Sphinx. The sources are the Markdown files of the repository, where they stand, so that links between
them work on the site as they do in a clone."""

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

project = "Sluice"
author = "the authors of Sluice"
version = re.search(r"project\(sluice VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
release = version

extensions = ["myst_parser", "breathe", "sphinx_copybutton", "navigation", "symbols", "diagrams"]
root_doc = "docs/README"
include_patterns = ["*.md", "docs/*.md", "docs/**/*.md", "**/README.md"]
exclude_patterns = ["build*", "**/.*", "**/venv", "**/__pycache__", "**/node_modules"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

breathe_projects = {"sluice": os.environ["SLUICE_DOXYGEN_XML"]}
breathe_default_project = "sluice"
breathe_default_members = ("members",)
breathe_show_include = True
cpp_id_attributes = ["gnu::cold", "gnu::noinline", "gnu::always_inline"]
# Names of other libraries, which have no pages here.
nitpick_ignore_regex = [("cpp:.*", r".*")]

html_theme = "furo"
html_title = f"Sluice {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["root"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e75", "color-brand-content": "#0b6e75"},
    "dark_css_variables": {"color-brand-primary": "#58c4cb", "color-brand-content": "#58c4cb"},
}
copybutton_prompt_text = "$ "
pygments_style = "friendly"
pygments_dark_style = "github-dark"

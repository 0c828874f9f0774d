"""Settings of the documentation."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
# The table of `adding-search` is counted by `changed_lines.py`, which lies beside this file.
sys.path.insert(0, str(ROOT / "docs"))

from oche import __version__  # noqa: E402

project = "oche"
author = "The oche authors"
copyright = "The oche authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.doctest", "changed_lines"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"oche {release}"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# `Source:` is a section of ours: where a formula or a default comes from.
napoleon_custom_sections = ["Source", "Life"]
suppress_warnings = ["myst.xref_missing"]

"""Settings of the documentation's site, which `bash scripts/docs.sh` builds: these pages, and the API from docstrings.

Read by sphinx. Pages are Markdown, so that they can be read without the site; a build makes the API pages anew.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon.docstring import GoogleDocstring

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LITERAL = re.compile(r"(`+[^`]*`+)")
FILES = f"{PROJECT['urls']['Homepage']}/blob/main"

project = "lit_grpo"
copyright = "the authors of lit_grpo, Apache-2.0"
version = release = PROJECT["version"]

extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
default_role = "code"
myst_heading_anchors = 3

apidoc_modules = [
    {
        "path": "../lit_grpo",
        "destination": "api",
        "automodule_options": {"members", "undoc-members"},
    }
]
autodoc_member_order = "bysource"
# Fields of many classes share a short name, and a signature's annotation has no other.
suppress_warnings = ["ref.python"]
# Extras that are not installed with the generator.
autodoc_mock_imports = ["vllm", "trl", "datasets", "bitsandbytes"]

html_theme = "furo"
html_title = "lit_grpo"


def read_sections(app: Sphinx, what: Any, name: str, documented: object, options: Any, lines: list[str]) -> None:
    """Turn ``Args:``, ``Returns:`` and ``Raises:`` into lists; fields are plain text, whose colons are no types.

    A bar is an absolute value or a condition here, not the name of a substitution.
    """
    lines[:] = [
        "".join(part if part.startswith("`") else part.replace("|", r"\|") for part in LITERAL.split(line))
        for line in lines
    ]
    if what not in ("attribute", "data"):
        lines[:] = GoogleDocstring(lines, what=what, name=name, obj=documented, options=options).lines()


def link_to_repository(app: Sphinx, page: str, source: list[str]) -> None:
    """Lead a page's links out of ``docs/`` to the repository, which the site does not hold."""
    source[0] = source[0].replace("](../", f"]({FILES}/")


def setup(app: Sphinx) -> None:
    """Called by sphinx."""
    app.connect("autodoc-process-docstring", read_sections)
    app.connect("source-read", link_to_repository)

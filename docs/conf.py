"""Settings of the documentation's site, which `bash scripts/docs.sh` builds: these pages, and the API from docstrings.

Read by sphinx. Pages are Markdown, so that they can be read without the site; a build makes the API pages anew.
"""

from lit_grpo import __version__

project = "lit_grpo"
copyright = "the authors of lit_grpo, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
# Blocks say more than their language (```bash illustrative).
default_role = "code"

apidoc_modules = [
    {
        "path": "../lit_grpo",
        "destination": "api",
        "separate_modules": True,
        "include_private": False,
        "automodule_options": {"members", "undoc-members"},
    }
]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
# Of extras that are not installed with the documentation.
autodoc_mock_imports = ["vllm", "trl", "datasets", "bitsandbytes"]
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "lit_grpo"

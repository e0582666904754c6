#!/usr/bin/env bash
# Build the documentation's site, warnings as errors. Takes the folder it goes to (default: runs/site).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Pages of modules that are gone would stay.
rm -rf docs/api
exec .venv/bin/python -m sphinx --fail-on-warning --keep-going --quiet --jobs 2 docs "${1:-runs/site}"

#!/usr/bin/env bash
# Set up, train the three arms on the CPU, and show whether SFT + GRPO surpasses SFT. Takes --smoke, --seed, --output.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh
exec .venv/bin/python -m lit_grpo quickstart "$@"

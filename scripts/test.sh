#!/usr/bin/env bash
# Set up, then every check this project has: style, spelling, types, tests, the site, and the quickstart in small.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh --vllm
export OMP_NUM_THREADS=1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "test: ruff"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
echo "test: codespell"
.venv/bin/codespell
echo "test: pyright and the site"
# Each of them has work for one core.
.venv/bin/pyright > "$scratch/pyright.txt" &
types=$!
bash scripts/docs.sh "$scratch/site"
wait "$types" || { cat "$scratch/pyright.txt"; exit 1; }
tail -n 1 "$scratch/pyright.txt"
echo "test: pytest"
# A worker takes whole files, so that what a file's tests share, a server of vLLM for one, is made once.
.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=40 | tee "$scratch/pytest.txt"
echo "test: quickstart --smoke"
bash scripts/quickstart.sh --smoke --output "$scratch/quickstart"
tail -n 1 "$scratch/pytest.txt"

#!/usr/bin/env bash
# Make .venv at the repository root with the pinned versions, lit_grpo itself (editable) and the test tools.
# Repeatable: returns at once when neither pyproject.toml, constraints.txt nor the place of the checkout changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stamp_file=.venv/lit_grpo_setup.sha256

current_stamp() {
  .venv/bin/python - "$PWD" pyproject.toml constraints.txt <<'PY'
import hashlib
import pathlib
import sys

root, *files = sys.argv[1:]
content = b"\0".join(pathlib.Path(file).read_bytes() for file in files)
print(hashlib.sha256(f"{root}\0{sys.version}\0".encode() + content).hexdigest())
PY
}

find_python() {
  local name path
  for name in python3.11 python3 python3.12 python3.13 python3.14 python; do
    while read -r path; do
      if "$path" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        echo "$path"
        return
      fi
    done < <(type -aP "$name")
  done
  echo "setup: no Python >= 3.11 with venv and ensurepip was found on PATH (python3 is: $(python3 --version 2>&1))." >&2
  echo "setup: install one (on Debian and Ubuntu: python3 and python3-venv), then run this again." >&2
  return 1
}

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
  python=$(find_python)
  echo "setup: making .venv with $("$python" --version) ($python)"
  "$python" -m venv --clear .venv
fi
stamp=$(current_stamp)
if [[ -f $stamp_file && $(<"$stamp_file") == "$stamp" ]]; then
  echo "setup: .venv is up to date"
  exit 0
fi
echo "setup: installing lit_grpo and its dependencies into .venv (about 1.5 GB, a few minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
echo "$stamp" >"$stamp_file"
echo "setup: done"

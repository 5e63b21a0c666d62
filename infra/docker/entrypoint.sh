#!/bin/sh
# Dagster takes the database password from a variable only; it is kept in a secret file.
set -eu
if [ -f /run/secrets/postgres_password ]; then
  DAGSTER_POSTGRES_PASSWORD="$(cat /run/secrets/postgres_password)"
  export DAGSTER_POSTGRES_PASSWORD
fi
exec "$@"

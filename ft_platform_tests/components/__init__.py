"""Servers, engines and browsers that some tests need, and what the last run of these tests came to. `python -m
ft_platform_tests.components` runs them and notes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """One server, engine or browser.

    Attributes:
        what: in words.
        needs: what must be installed for its tests.
        covers: files and folders that its tests are about, besides the tests themselves; the result is stale when one
            of them has changed.
    """

    what: str
    needs: str
    covers: tuple[str, ...]


SOURCES = ("ft_platform/sources/discovery.py", "ft_platform/sources/source_file.py")
LAKE = (
    "ft_platform/erasure/old_versions.py",
    "ft_platform/lake/artifacts.py",
    "ft_platform/lake/azure_blobs.py",
    "ft_platform/lake/file_systems.py",
    "ft_platform/lake/files.py",
    "ft_platform/lake/keyed_s3.py",
    "ft_platform/lake/launches.py",
    "ft_platform/lake/object_versions.py",
    "ft_platform/lake/places.py",
    "ft_platform/lake/seals.py",
    "ft_platform/lake/tables.py",
    "ft_platform/lake/training_states.py",
    "ft_platform/lake/zone_keys.py",
    "ft_platform/people/audit_log/locks.py",
    "ft_platform/programs/lake_messages.py",
    "ft_platform/lake/lease.py",
    "ft_platform_tests/lake/object_store",
)

COMPONENTS = {
    "aws": Component(
        "S3, KMS and Secrets Manager, as moto serves them",
        "extra `dev`",
        (
            "ft_platform/erasure/old_versions.py",
            "ft_platform/erasure/searching.py",
            "ft_platform/lake/backup",
            "ft_platform/lake/file_systems.py",
            "ft_platform/lake/files.py",
            "ft_platform/lake/store_access.py",
            "ft_platform/lake/signing/opening.py",
        ),
    ),
    "azure_lake": Component(
        "Azurite, Microsoft's emulator of Azure Blob, under the same lake, and under sources",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`, extra `azure`",
        (*LAKE, *SOURCES),
    ),
    "browser": Component(
        "Chromium, which opens reports, Dagster's pages and the playground",
        "Chromium, its driver, extra `dev`",
        (
            "ft_platform/reporting/html.py",
            "ft_platform/reporting/templates",
            "ft_platform/reporting/playground.py",
            "ft_platform/web",
        ),
    ),
    "clients": Component(
        "OpenAI's client for JavaScript, LangChain and LiteLLM, which ask the server; a provider of OpenID Connect",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`",
        (
            "ft_platform/serving/api",
            "ft_platform/reporting/templates/playground.js",
            "ft_platform_tests/serving/clients",
            "ft_platform/people/identity/openid.py",
            "ft_platform_tests/people/identity/provider",
        ),
    ),
    "compose": Component(
        "infra/docker/compose.yaml by docker-compose on podman, where a person runs the use case of the demo",
        "what `containers` needs, and docker-compose",
        ("infra/docker", "pyproject.toml", "ft_platform_tests/infra/containers"),
    ),
    "containers": Component(
        "the images of infra/docker, built and started by podman",
        "root, podman with runc, debootstrap, `FT_TEST_CONTAINERS=FOLDER` for images (15 GB)",
        ("infra/docker", "pyproject.toml", "ft_platform_tests/infra/containers"),
    ),
    "duckdb": Component(
        "DuckDB, which reads tables of the lake by way of a stand-in for Unity Catalog",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`, extra `dev`",
        (
            "ft_platform/process/unity_catalog.py",
            "ft_platform/tracking/unity_entries.py",
            "ft_platform/tracking/unity_tables.py",
            "ft_platform_tests/tracking/unity_server.py",
        ),
    ),
    "gcs_lake": Component(
        "fake-gcs-server, an emulator of Google Cloud Storage, under the same lake, and under sources",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`, extra `gcp`",
        (*LAKE, *SOURCES),
    ),
    "helm": Component(
        "Helm, which lints and renders the chart; Kubernetes' published schemas judge what it renders",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`, extra `dev`",
        ("infra/kubernetes", "infra/docker"),
    ),
    "kubernetes": Component(
        "Kubernetes' client against a stand-in for the API of a cluster, whose pods podman runs where it can",
        "extra `dev`; for pods in podman what `containers` needs",
        (
            "ft_platform/compute",
            "ft_platform/lake/launches.py",
            "ft_platform/programs/lake_messages.py",
            "ft_platform_tests/compute/contract",
            "ft_platform_tests/compute/kubernetes_cluster.py",
            "ft_platform_tests/compute/podman_pods.py",
            "infra/kubernetes/rbac.yaml",
        ),
    ),
    "mlflow": Component("an MLflow server", "extra `tracking`", ("ft_platform/tracking",)),
    "nginx": Component(
        "nginx, which signs persons in before Dagster's web server",
        "nginx (Debian's package `nginx-light`), extra `dev`",
        ("ft_platform/people/identity/proxy.py", "ft_platform/web"),
    ),
    "pip_audit": Component(
        "pip-audit against a server with OSV's interface that knows a planted advisory",
        "extra `dev`",
        ("scripts/advisories.py", "ft_platform_tests/infra/advisories"),
    ),
    "podman_images": Component(
        "Podman, which saves an image for a bundle, and loads it elsewhere",
        "root, Debian's package `podman`",
        ("ft_platform/onboarding/repository/images.py",),
    ),
    "postgres": Component(
        "a PostgreSQL server as source and consent ledger, and as storage of Dagster that loses a person",
        "PostgreSQL's server programs, extras `sql` and `adbc`",
        (
            "ft_platform/lake/backup/installation.py",
            "ft_platform/sources/databases",
            "ft_platform/sources/statements.py",
            "ft_platform/governance/ledger_database.py",
            "ft_platform/erasure/postgres.py",
        ),
    ),
    "prometheus": Component(
        "Prometheus, which scrapes a server, and promtool, which runs the rules",
        "Prometheus (Debian's package `prometheus`), extra `dev`",
        (
            "infra/grafana",
            "infra/prometheus",
            "ft_platform/serving/api/metrics.py",
            "ft_platform_tests/infra/rules_test.yml",
        ),
    ),
    "s3_lake": Component(
        "SeaweedFS, an S3 server, under a lake whose writers are killed and race, and behind a proxy that fails",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`",
        (
            *LAKE,
            "ft_platform/compute/elsewhere.py",
            "ft_platform/compute/lake_messages.py",
            "ft_platform_tests/infra/s3",
        ),
    ),
    "s3_roles": Component(
        "SeaweedFS, an S3 server that judges each request by roles and a bucket policy",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`",
        (
            "ft_platform/lake/backup",
            "ft_platform/people/bucket_rights.py",
            "ft_platform/people/actions.py",
            "ft_platform_tests/infra/s3",
        ),
    ),
    "slurm": Component(
        "a Slurm cluster: slurmctld and two slurmd, which preempt jobs and limit their memory",
        "root, Debian's package `slurm-wlm`",
        (
            "ft_platform/compute",
            "ft_platform/training/experiments/search.py",
            "ft_platform/training/experiments/study.py",
            "ft_platform/lake/launches.py",
            "ft_platform/programs/lake_messages.py",
            "ft_platform_tests/compute/contract",
            "ft_platform_tests/compute/slurm_cluster.py",
        ),
    ),
    "tensorflow": Component(
        "TensorFlow and KerasHub, which write and answer exported models",
        "extra `keras`, here or in the environment of `FT_TENSORFLOW_PYTHON`",
        ("ft_platform/serving/exporting",),
    ),
    "transformers_4": Component(
        "transformers 4.57, which loads a merged export",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`",
        ("ft_platform/serving/exporting",),
    ),
    "ray": Component("Ray Data as engine of the data stages", "extra `ray`", ("ft_platform/records/engines",)),
    "spark": Component(
        "Spark as engine of the data stages: sessions, executors that are killed, a server of Spark Connect",
        "extra `spark`, Java 17",
        ("ft_platform/records/engines",),
    ),
    "terraform": Component(
        "the schemas of the Terraform providers of Google Cloud, Azure and Databricks",
        "`scripts/install_clients.sh FOLDER`, `FT_TEST_CLIENTS=FOLDER`",
        ("infra/gcp", "infra/azure", "infra/databricks", "ft_platform/people/bucket_rights.py"),
    ),
    "ray_cluster": Component(
        "a Ray cluster: a head and two nodes, which are drained and killed",
        "extra `ray`",
        (
            "ft_platform/compute",
            "ft_platform/records/engines",
            "ft_platform/lake/launches.py",
            "ft_platform/programs/lake_messages.py",
            "ft_platform_tests/compute/contract",
            "ft_platform_tests/compute/ray_cluster.py",
        ),
    ),
}
"""Name, as in `@pytest.mark.components(name="ray")` -> what it is."""

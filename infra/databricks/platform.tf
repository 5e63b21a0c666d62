# What an installation needs of a Databricks workspace: a catalog with a volume for wheels and one schema for registered tables, a principal that starts
# jobs, what jobs may cost, and a group of people who see the tables. The lake is a bucket outside (infra/aws, gcp or azure). See README.md.
terraform {
  required_version = ">= 1.6"
  required_providers {
    databricks = {
      source  = "databricks/databricks"
      version = ">= 1.130, < 2.0"
    }
  }
}

variable "lake_root" {
  type        = string
  description = "As FT_LAKE_ROOT: s3://, gs:// or abfss://."
}

variable "storage_credential" {
  type        = string
  description = "Name of the storage credential of Unity Catalog for the identity `workers` of the lake: it opens the shared zone and no other."
}

variable "readers" {
  type        = string
  default     = "ft readers"
  description = "Group that sees registered tables."
}

variable "node_type" {
  type        = string
  description = "With a GPU, such as g5.2xlarge or Standard_NC4as_T4_v3."
}

variable "most_workers" {
  type    = number
  default = 4
}

resource "databricks_service_principal" "platform" {
  display_name          = "ft-platform"
  allow_cluster_create  = false
  workspace_access      = true
  databricks_sql_access = false
}

# The shared zone only: restricted zone and vault are no location of Unity Catalog, whoever asks.
resource "databricks_external_location" "shared" {
  name            = "ft-shared"
  url             = "${var.lake_root}/shared"
  credential_name = var.storage_credential
  comment         = "What programs and registered tables may see of the lake."
}

resource "databricks_catalog" "platform" {
  name           = "ft_platform"
  comment        = "Datasets of fine-tuning, registered by the platform."
  isolation_mode = "ISOLATED"
  storage_root   = "${var.lake_root}/shared/.catalog"
  depends_on     = [databricks_external_location.shared]
}

resource "databricks_schema" "datasets" {
  catalog_name = databricks_catalog.platform.name
  name         = "datasets"
}

resource "databricks_schema" "programs" {
  catalog_name = databricks_catalog.platform.name
  name         = "programs"
}

resource "databricks_volume" "wheels" {
  catalog_name = databricks_catalog.platform.name
  schema_name  = databricks_schema.programs.name
  name         = "wheels"
  volume_type  = "MANAGED"
  comment      = "Wheels that jobs install."
}

resource "databricks_grants" "location" {
  external_location = databricks_external_location.shared.id
  grant {
    principal  = databricks_service_principal.platform.application_id
    privileges = ["CREATE_EXTERNAL_TABLE", "EXTERNAL_USE_LOCATION", "READ_FILES", "WRITE_FILES"]
  }
}

resource "databricks_grants" "catalog" {
  catalog = databricks_catalog.platform.name
  grant {
    principal  = databricks_service_principal.platform.application_id
    privileges = ["USE_CATALOG"]
  }
  grant {
    principal  = var.readers
    privileges = ["USE_CATALOG"]
  }
}

resource "databricks_grants" "datasets" {
  schema = databricks_schema.datasets.id
  grant {
    principal  = databricks_service_principal.platform.application_id
    # The last two: to register tables from outside of Databricks, and to say which version they have.
    privileges = ["USE_SCHEMA", "CREATE_TABLE", "MODIFY", "EXTERNAL_USE_SCHEMA", "APPLY_TAG"]
  }
  grant {
    principal  = var.readers
    privileges = ["USE_SCHEMA", "SELECT"]
  }
}

resource "databricks_grants" "programs" {
  schema = databricks_schema.programs.id
  grant {
    principal  = databricks_service_principal.platform.application_id
    privileges = ["USE_SCHEMA", "READ_VOLUME", "WRITE_VOLUME"]
  }
}

# What a job's cluster may be: it ends itself, sees one user, and costs no more than so many machines for so long.
resource "databricks_cluster_policy" "jobs" {
  name                  = "ft-jobs"
  max_clusters_per_user = var.most_workers
  definition            = jsonencode({
    "cluster_type"         = { type = "fixed", value = "job" }
    "node_type_id"         = { type = "fixed", value = var.node_type }
    "driver_node_type_id"  = { type = "fixed", value = var.node_type }
    "num_workers"          = { type = "range", maxValue = var.most_workers, defaultValue = 0 }
    "data_security_mode"   = { type = "fixed", value = "SINGLE_USER" }
    "custom_tags.platform" = { type = "fixed", value = "ft_platform" }
  })
}

resource "databricks_permissions" "jobs" {
  cluster_policy_id = databricks_cluster_policy.jobs.id
  access_control {
    service_principal_name = databricks_service_principal.platform.application_id
    permission_level       = "CAN_USE"
  }
}

resource "databricks_secret_scope" "platform" {
  name = "ft"
}

resource "databricks_secret_acl" "platform" {
  scope      = databricks_secret_scope.platform.name
  principal  = databricks_service_principal.platform.application_id
  permission = "WRITE" # of the variables of programs, which it reads as the identity of their jobs
}

output "unity_catalog" {
  description = "Setting of ft_environment.yaml: where tables of the lake appear."
  value = {
    tables = {
      anonymized_records = databricks_schema.datasets.id
      splits             = databricks_schema.datasets.id
    }
  }
}

output "profile" {
  description = "Options of a compute profile with `backend: databricks`."
  value       = {
    policy            = databricks_cluster_policy.jobs.id
    secret_scope      = databricks_secret_scope.platform.name
    service_principal = databricks_service_principal.platform.application_id
    wheels            = "/Volumes/${databricks_catalog.platform.name}/${databricks_schema.programs.name}/${databricks_volume.wheels.name}"
  }
}

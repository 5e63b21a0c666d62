# What an installation needs of Google Cloud: a network without a way to the internet, the bucket of the lake and its keys, identities of
# programs, images, PostgreSQL, a cluster whose GPU machines scale to zero, a budget and an alarm. See README.md.
terraform {
  required_version = ">= 1.6"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 8.0, < 9.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
  # The budget and what else belongs to a billing account is asked for in the name of this project.
  billing_project       = var.project
  user_project_override = true
}

variable "project" {
  type        = string
  description = "Id of the project, which holds nothing but the platform."
}

variable "region" {
  type    = string
  default = "europe-west4"
}

variable "lake_bucket" {
  type        = string
  description = "Name of the bucket, which is made and holds nothing but the lake."
}

variable "lake_prefix" {
  type        = string
  default     = "lake"
  description = "Of the lake in the bucket, as in FT_LAKE_ROOT=gs://bucket/prefix."
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.lake_prefix))
    error_message = "Letters, digits, - and _, divided by /."
  }
}

variable "email" {
  type        = string
  description = "Who hears of alarms and of the budget."
}

variable "billing_account" {
  type = string
}

variable "monthly_budget" {
  type        = number
  default     = 1000
  description = "In the currency of the billing account; mails at 80 % and where 100 % is forecast."
}

variable "gpu" {
  type        = string
  default     = "nvidia-l4"
  description = "Accelerator of the GPU machines."
}

variable "gpu_machine" {
  type    = string
  default = "g2-standard-8"
}

variable "most_gpu_machines" {
  type        = number
  default     = 2
  description = "At once in each zone; none runs while no pod asks for a GPU."
}

variable "namespace" {
  type        = string
  default     = "ft"
  description = "Of the Helm chart (infra/kubernetes)."
}

locals {
  objects = "projects/_/buckets/${var.lake_bucket}/objects/${var.lake_prefix}"
  # Program -> path below the lake -> role. The same table as `people/bucket_rights.py`; a test compares them.
  rights = {
    platform = {
      "shared/"     = "roles/storage.objectUser"
      "restricted/" = "roles/storage.objectUser"
      "vault/"      = google_project_iam_custom_role.writer.id
      "audit_log/"  = google_project_iam_custom_role.appender.id
    }
    workers = {
      "shared/" = "roles/storage.objectUser"
    }
    vault-reader = {
      "shared/"    = "roles/storage.objectViewer"
      "vault/"     = "roles/storage.objectViewer"
      "audit_log/" = google_project_iam_custom_role.appender.id
    }
  }
  grants = merge([
    for program, paths in local.rights : {
      for path, role in paths : "${program} ${path}" => { program = program, path = path, role = role }
    }
  ]...)
  services = [
    "aiplatform", "artifactregistry", "billingbudgets", "cloudkms", "compute", "container", "iam", "monitoring", "secretmanager", "servicenetworking", "sqladmin", "storage",
  ]
}

resource "google_project_service" "needed" {
  for_each           = toset(local.services)
  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

# Network: a private subnet that reaches Google's services, and nothing else: no program can send records out.
resource "google_compute_network" "platform" {
  name                    = "ft"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.needed]
}

resource "google_compute_subnetwork" "programs" {
  name                     = "ft-programs"
  network                  = google_compute_network.platform.id
  region                   = var.region
  ip_cidr_range            = "10.20.0.0/18"
  private_ip_google_access = true
  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.24.0.0/14"
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.28.0.0/20"
  }
}

resource "google_compute_firewall" "nothing_out" {
  name               = "ft-nothing-out"
  network            = google_compute_network.platform.id
  direction          = "EGRESS"
  priority           = 65000
  destination_ranges = ["0.0.0.0/0"]
  deny {
    protocol = "all"
  }
}

resource "google_compute_firewall" "inside_and_google" {
  name      = "ft-inside-and-google"
  network   = google_compute_network.platform.id
  direction = "EGRESS"
  priority  = 1000
  # This network, the database, and the addresses of restricted.googleapis.com.
  destination_ranges = ["10.0.0.0/8", "199.36.153.4/30"]
  allow {
    protocol = "all"
  }
}

resource "google_dns_managed_zone" "google" {
  name        = "ft-googleapis"
  dns_name    = "googleapis.com."
  visibility  = "private"
  description = "Google's services by addresses that this network may reach"
  private_visibility_config {
    networks {
      network_url = google_compute_network.platform.id
    }
  }
}

resource "google_dns_record_set" "restricted" {
  managed_zone = google_dns_managed_zone.google.name
  name         = "restricted.googleapis.com."
  type         = "A"
  ttl          = 300
  rrdatas      = ["199.36.153.4", "199.36.153.5", "199.36.153.6", "199.36.153.7"]
}

resource "google_dns_record_set" "every_service" {
  managed_zone = google_dns_managed_zone.google.name
  name         = "*.googleapis.com."
  type         = "CNAME"
  ttl          = 300
  rrdatas      = ["restricted.googleapis.com."]
}

# The lake. No versions of objects and no soft deletion: an erasure must reach them.
resource "google_kms_key_ring" "platform" {
  name       = "ft"
  location   = var.region
  depends_on = [google_project_service.needed]
}

resource "google_kms_crypto_key" "lake" {
  name            = "lake"
  key_ring        = google_kms_key_ring.platform.id
  rotation_period = "7776000s"
  lifecycle {
    prevent_destroy = true
  }
}

data "google_storage_project_service_account" "storage" {}

resource "google_kms_crypto_key_iam_member" "storage" {
  crypto_key_id = google_kms_crypto_key.lake.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${data.google_storage_project_service_account.storage.email_address}"
}

resource "google_storage_bucket" "lake" {
  name                        = var.lake_bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  encryption {
    default_kms_key_name = google_kms_crypto_key.lake.id
    # Nothing is written under Google's own keys or one that a writer brings. The service may use no other key of KMS.
    google_managed_encryption_enforcement_config {
      restriction_mode = "FullyRestricted"
    }
    customer_supplied_encryption_enforcement_config {
      restriction_mode = "FullyRestricted"
    }
  }
  soft_delete_policy {
    retention_duration_seconds = 0
  }
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }
  lifecycle {
    prevent_destroy = true
  }
  depends_on = [google_kms_crypto_key_iam_member.storage]
}

# Nobody but these: the bucket has no other policy, so owners and editors of the project, whom Google lets into each new bucket, are
# left out of this one. Whoever may change policies still can let themselves in; the audit logs below tell.
data "google_iam_policy" "lake" {
  dynamic "binding" {
    for_each = local.grants
    content {
      role    = binding.value.role
      members = ["serviceAccount:${google_service_account.program[binding.value.program].email}"]
      condition {
        title      = "${binding.value.program} in ${binding.value.path}"
        expression = "resource.name.startsWith(\"${local.objects}/${binding.value.path}\")"
      }
    }
  }
  # Who looked up a person is noted beside the person's use case.
  binding {
    role    = google_project_iam_custom_role.appender.id
    members = ["serviceAccount:${google_service_account.program["vault-reader"].email}"]
    condition {
      title      = "vault-reader in audit of the vault"
      expression = "resource.name.startsWith(\"${local.objects}/vault/\") && resource.name.extract(\"/vault/{use_case}/audit/\") != \"\""
    }
  }
  # Names of objects are seen with the bucket, which no condition divides: a name tells the use case, the stage and a hash.
  binding {
    role    = google_project_iam_custom_role.lister.id
    members = [for account in google_service_account.program : "serviceAccount:${account.email}"]
  }
  binding {
    role    = google_project_iam_custom_role.administrator.id
    members = ["projectOwner:${var.project}"]
  }
}

resource "google_storage_bucket_iam_policy" "lake" {
  bucket      = google_storage_bucket.lake.name
  policy_data = data.google_iam_policy.lake.policy_data
}

resource "google_project_iam_custom_role" "lister" {
  role_id     = "ftLister"
  title       = "ft: names of objects"
  permissions = ["storage.buckets.get", "storage.objects.list"]
}

resource "google_project_iam_custom_role" "administrator" {
  role_id     = "ftBucketAdministrator"
  title       = "ft: the bucket, and none of its objects"
  permissions = ["storage.buckets.get", "storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy", "storage.buckets.update"]
}

resource "google_project_iam_custom_role" "writer" {
  role_id     = "ftWriter"
  title       = "ft: writes what it cannot read"
  permissions = ["storage.objects.create", "storage.objects.delete"]
}

resource "google_project_iam_custom_role" "appender" {
  role_id     = "ftAppender"
  title       = "ft: reads and adds, and changes nothing that is there"
  permissions = ["storage.objects.create", "storage.objects.get"]
}

resource "google_project_iam_audit_config" "storage" {
  project = var.project
  service = "storage.googleapis.com"
  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "DATA_WRITE"
  }
}

# Identities of programs. Pods take them by the name of their account in the cluster; there are no keys.
resource "google_service_account" "program" {
  for_each     = local.rights
  account_id   = "ft-${each.key}"
  display_name = "ft ${each.key}"
}

resource "google_service_account_iam_member" "pod" {
  for_each           = toset(["platform", "workers"])
  service_account_id = google_service_account.program[each.value].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.namespace}/ft-${each.value}]"
  depends_on         = [google_container_cluster.platform]
}

# The platform starts jobs of Vertex AI as `workers`, and only as that.
resource "google_project_iam_member" "starts_jobs" {
  project = var.project
  role    = "roles/aiplatform.user"
  member  = "serviceAccount:${google_service_account.program["platform"].email}"
}

resource "google_service_account_iam_member" "as_workers" {
  service_account_id = google_service_account.program["workers"].name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.program["platform"].email}"
}

# Variables of a job are a secret that goes with it (docs/how_to/compute.md). The platform makes and deletes secrets and reads none; workers read those of
# jobs, which have names that begin so.
resource "google_project_iam_custom_role" "hands_over" {
  role_id     = "ftHandsOver"
  title       = "ft: secrets of jobs, unread"
  permissions = ["secretmanager.secrets.create", "secretmanager.secrets.delete", "secretmanager.secrets.list", "secretmanager.versions.add"]
}

resource "google_project_iam_member" "hands_over" {
  project = var.project
  role    = google_project_iam_custom_role.hands_over.id
  member  = "serviceAccount:${google_service_account.program["platform"].email}"
}

resource "google_project_iam_member" "takes" {
  project = var.project
  role    = "roles/secretmanager.secretAccessor"
  member  = "serviceAccount:${google_service_account.program["workers"].email}"
  condition {
    title      = "secrets of jobs"
    expression = "resource.name.extract(\"/secrets/{name}/\").startsWith(\"ft-\")"
  }
}

resource "google_project_iam_member" "machines" {
  for_each = toset(["roles/logging.logWriter", "roles/monitoring.metricWriter", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.value
  member   = "serviceAccount:${google_service_account.machines.email}"
}

resource "google_service_account" "machines" {
  account_id   = "ft-machines"
  display_name = "ft machines of the cluster, which see no lake"
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "ft-platform"
  location      = var.region
  format        = "DOCKER"
  docker_config {
    immutable_tags = true
  }
  depends_on = [google_project_service.needed]
}

# PostgreSQL of Dagster.
resource "google_compute_global_address" "database" {
  name          = "ft-database"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = google_compute_network.platform.id
}

resource "google_service_networking_connection" "database" {
  network                 = google_compute_network.platform.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.database.name]
}

resource "google_sql_database_instance" "dagster" {
  name                = "ft-dagster"
  region              = var.region
  database_version    = "POSTGRES_17"
  deletion_protection = true
  settings {
    edition           = "ENTERPRISE"
    tier              = "db-custom-2-8192"
    availability_type = "REGIONAL"
    disk_autoresize   = true
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.platform.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7
    }
  }
  depends_on = [google_service_networking_connection.database]
}

resource "google_sql_database" "dagster" {
  name     = "dagster"
  instance = google_sql_database_instance.dagster.name
}

# The cluster: where the Helm chart and `backend: kubernetes` run.
resource "google_container_cluster" "platform" {
  name                     = "ft"
  location                 = var.region
  network                  = google_compute_network.platform.id
  subnetwork               = google_compute_subnetwork.programs.id
  remove_default_node_pool = true
  initial_node_count       = 1
  deletion_protection      = true
  datapath_provider        = "ADVANCED_DATAPATH"
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = true
  }
  master_authorized_networks_config {}
  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }
}

resource "google_container_node_pool" "services" {
  name     = "services"
  cluster  = google_container_cluster.platform.id
  location = var.region
  autoscaling {
    total_min_node_count = 1
    total_max_node_count = 3
  }
  node_config {
    machine_type    = "e2-standard-4"
    service_account = google_service_account.machines.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot = true
    }
  }
}

resource "google_container_node_pool" "gpus" {
  name               = "gpus"
  cluster            = google_container_cluster.platform.id
  location           = var.region
  initial_node_count = 0
  autoscaling {
    min_node_count = 0
    max_node_count = var.most_gpu_machines
  }
  node_config {
    machine_type    = var.gpu_machine
    service_account = google_service_account.machines.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    guest_accelerator {
      type  = var.gpu
      count = 1
      gpu_driver_installation_config {
        gpu_driver_version = "DEFAULT"
      }
    }
    taint {
      key    = "nvidia.com/gpu"
      value  = "present"
      effect = "NO_SCHEDULE"
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "ft"
  type         = "email"
  labels       = {
    email_address = var.email
  }
  depends_on = [google_project_service.needed]
}

resource "google_billing_budget" "month" {
  billing_account = var.billing_account
  display_name    = "ft"
  budget_filter {
    projects        = ["projects/${var.project}"]
    calendar_period = "MONTH"
  }
  amount {
    specified_amount {
      units = tostring(var.monthly_budget)
    }
  }
  threshold_rules {
    threshold_percent = 0.8
  }
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }
  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.email.id]
  }
}

resource "google_monitoring_alert_policy" "database" {
  display_name          = "ft: the database is nearly full"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]
  conditions {
    display_name = "disk above 85 %"
    condition_threshold {
      filter          = "resource.type = \"cloudsql_database\" AND metric.type = \"cloudsql.googleapis.com/database/disk/utilization\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0.85
      duration        = "300s"
    }
  }
}

output "lake_root" {
  value = "gs://${google_storage_bucket.lake.name}/${var.lake_prefix}"
}

output "database_host" {
  value = google_sql_database_instance.dagster.private_ip_address
}

output "identities" {
  value = { for program, account in google_service_account.program : program => account.email }
}

# What an installation needs of Azure: a network without a way to the internet, the storage of the lake and its key, identities of programs,
# images, PostgreSQL, a cluster whose GPU machines scale to zero, a budget and an alarm. See README.md.
terraform {
  required_version = ">= 1.6"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 5.0, < 6.0"
    }
  }
}

provider "azurerm" {
  features {}
  # Without keys of the storage account there is no way around the roles below.
  storage_use_azuread = true
}

variable "location" {
  type    = string
  default = "westeurope"
}

variable "lake_account" {
  type        = string
  description = "Name of the storage account, which is made and holds nothing but the lake."
}

variable "lake_prefix" {
  type        = string
  default     = "lake"
  description = "Of the lake in the container, as in FT_LAKE_ROOT=abfss://lake@account.dfs.core.windows.net/prefix."
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.lake_prefix))
    error_message = "Letters, digits, - and _, divided by /."
  }
}

variable "email" {
  type        = string
  description = "Who hears of alarms and of the budget."
}

variable "monthly_budget" {
  type        = number
  default     = 1000
  description = "In the currency of the subscription; mails at 80 % and where 100 % is forecast."
}

variable "budget_from" {
  type        = string
  description = "First day of a month, such as 2026-12-01T00:00:00Z."
}

variable "gpu_machine" {
  type    = string
  default = "Standard_NC4as_T4_v3"
}

variable "most_gpu_machines" {
  type        = number
  default     = 2
  description = "At once; none runs while no pod asks for a GPU."
}

variable "administrators" {
  type        = string
  description = "Object id of the group of Entra ID that administers cluster, key and database."
}

variable "namespace" {
  type        = string
  default     = "ft"
  description = "Of the Helm chart (infra/kubernetes)."
}

variable "machine_learning" {
  type        = bool
  default     = false
  description = "A workspace of Azure Machine Learning with a cluster of GPU machines, for `backend: azure_ml`."
}

data "azurerm_client_config" "current" {}

locals {
  # Program -> path below the lake -> what it does there. The same table as `people/bucket_rights.py`; a test compares them.
  rights = {
    platform = {
      "shared/"     = "reader_and_writer"
      "restricted/" = "reader_and_writer"
      "vault/"      = "writer"
      "audit_log/"  = "appender"
    }
    workers = {
      "shared/" = "reader_and_writer"
    }
    vault-reader = {
      "shared/"        = "reader"
      "vault/"         = "reader"
      "vault/*/audit/" = "writer"
      "audit_log/"     = "appender"
    }
  }
  grants = merge([
    for program, paths in local.rights : {
      for path, does in paths : "${program} ${path}" => { program = program, path = path, does = does }
    }
  ]...)
  # Of programs outside the lake, where they run in Azure Machine Learning: jobs read the variables of their launch, and write logs.
  learning = {
    for name, grant in {
      "platform submits jobs"  = { program = "platform", scope = one(azurerm_machine_learning_workspace.jobs[*].id), role = "AzureML Data Scientist" }
      "platform hands secrets" = { program = "platform", scope = one(azurerm_key_vault.launches[*].id), role = "Key Vault Secrets Officer" }
      "workers read secrets"   = { program = "workers", scope = one(azurerm_key_vault.launches[*].id), role = "Key Vault Secrets User" }
      "workers pull images"    = { program = "workers", scope = one(azurerm_container_registry.images[*].id), role = "AcrPull" }
      "workers write logs"     = { program = "workers", scope = one(azurerm_storage_account.jobs[*].id), role = "Storage Blob Data Contributor" }
    } : name => grant if var.machine_learning
  }
  # What the workspace itself needs: its own account and vault, and private ways to what jobs reach. Nothing of it opens the lake.
  workspace = {
    for name, grant in {
      "own account"        = { scope = one(azurerm_storage_account.jobs[*].id), role = "Storage Blob Data Contributor" }
      "own vault"          = { scope = one(azurerm_key_vault.jobs[*].id), role = "Key Vault Administrator" }
      "images"             = { scope = one(azurerm_container_registry.images[*].id), role = "AcrPull" }
      "way to own account" = { scope = one(azurerm_storage_account.jobs[*].id), role = "Azure AI Enterprise Network Connection Approver" }
      "way to own vault"   = { scope = one(azurerm_key_vault.jobs[*].id), role = "Azure AI Enterprise Network Connection Approver" }
      "way to images"      = { scope = one(azurerm_container_registry.images[*].id), role = "Azure AI Enterprise Network Connection Approver" }
      "way to launches"    = { scope = one(azurerm_key_vault.launches[*].id), role = "Azure AI Enterprise Network Connection Approver" }
      "way to lake"        = { scope = one(azurerm_storage_account.lake[*].id), role = "Azure AI Enterprise Network Connection Approver" }
    } : name => grant if var.machine_learning
  }
  blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
  does  = {
    reader            = ["${local.blobs}/read"]
    reader_and_writer = ["${local.blobs}/read", "${local.blobs}/write", "${local.blobs}/add/action", "${local.blobs}/delete", "${local.blobs}/move/action"]
    writer            = ["${local.blobs}/write", "${local.blobs}/add/action"]
    appender          = ["${local.blobs}/read", "${local.blobs}/add/action"]
  }
}

resource "azurerm_resource_group" "platform" {
  name     = "ft"
  location = var.location
}

# Network: private subnets; whatever leaves them is refused, but for Azure's own services.
resource "azurerm_virtual_network" "platform" {
  name                = "ft"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
  address_space       = ["10.20.0.0/16"]
}

resource "azurerm_subnet" "programs" {
  name                            = "programs"
  resource_group_name             = azurerm_resource_group.platform.name
  virtual_network_name            = azurerm_virtual_network.platform.name
  address_prefixes                = ["10.20.0.0/18"]
  default_outbound_access_enabled = false
}

resource "azurerm_subnet" "endpoints" {
  name                            = "endpoints"
  resource_group_name             = azurerm_resource_group.platform.name
  virtual_network_name            = azurerm_virtual_network.platform.name
  address_prefixes                = ["10.20.64.0/24"]
  default_outbound_access_enabled = false
}

resource "azurerm_subnet" "database" {
  name                            = "database"
  resource_group_name             = azurerm_resource_group.platform.name
  virtual_network_name            = azurerm_virtual_network.platform.name
  address_prefixes                = ["10.20.65.0/24"]
  default_outbound_access_enabled = false
  delegation {
    name = "postgresql"
    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_network_security_group" "programs" {
  name                = "ft-programs"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
  security_rule {
    name                       = "inside"
    priority                   = 100
    direction                  = "Outbound"
    access                     = "Allow"
    protocol                   = "*"
    source_port_range          = "*"
    destination_port_range     = "*"
    source_address_prefix      = "VirtualNetwork"
    destination_address_prefix = "VirtualNetwork"
  }
  security_rule {
    name                       = "azure"
    priority                   = 110
    direction                  = "Outbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "443"
    source_address_prefix      = "VirtualNetwork"
    destination_address_prefix = "AzureResourceManager"
  }
  security_rule {
    name                       = "sign-in"
    priority                   = 120
    direction                  = "Outbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "443"
    source_address_prefix      = "VirtualNetwork"
    destination_address_prefix = "AzureActiveDirectory"
  }
  security_rule {
    name                       = "nothing-else"
    priority                   = 4096
    direction                  = "Outbound"
    access                     = "Deny"
    protocol                   = "*"
    source_port_range          = "*"
    destination_port_range     = "*"
    source_address_prefix      = "*"
    destination_address_prefix = "*"
  }
}

resource "azurerm_subnet_network_security_group_association" "programs" {
  subnet_id                 = azurerm_subnet.programs.id
  network_security_group_id = azurerm_network_security_group.programs.id
}

# The lake. No versions of blobs and no soft deletion: an erasure must reach them. No keys and no signatures of the account.
resource "azurerm_user_assigned_identity" "storage" {
  name                = "ft-storage"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_key_vault" "lake" {
  name                          = "${var.lake_account}keys"
  location                      = azurerm_resource_group.platform.location
  resource_group_name           = azurerm_resource_group.platform.name
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "premium"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  public_network_access_enabled = false
}

resource "azurerm_role_assignment" "administrators_of_keys" {
  scope                = azurerm_key_vault.lake.id
  role_definition_name = "Key Vault Administrator"
  principal_id         = var.administrators
}

resource "azurerm_role_assignment" "storage_uses_key" {
  scope                = azurerm_key_vault.lake.id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_user_assigned_identity.storage.principal_id
}

resource "azurerm_key_vault_key" "lake" {
  name         = "lake"
  key_vault_id = azurerm_key_vault.lake.id
  key_type     = "RSA-HSM"
  key_size     = 3072
  key_opts     = ["wrapKey", "unwrapKey"]
  rotation_policy {
    automatic {
      time_after_creation = "P90D"
    }
  }
  depends_on = [azurerm_role_assignment.administrators_of_keys]
}

resource "azurerm_storage_account" "lake" {
  name                              = var.lake_account
  location                          = azurerm_resource_group.platform.location
  resource_group_name               = azurerm_resource_group.platform.name
  account_tier                      = "Standard"
  account_replication_type          = "ZRS"
  is_hns_enabled                    = true
  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  shared_access_key_enabled         = false
  public_network_access_enabled     = false
  allow_nested_items_to_be_public   = false
  infrastructure_encryption_enabled = true
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.storage.id]
  }
  customer_managed_key {
    key_vault_key_id          = azurerm_key_vault_key.lake.versionless_id
    user_assigned_identity_id = azurerm_user_assigned_identity.storage.id
  }
  lifecycle {
    prevent_destroy = true
  }
  depends_on = [azurerm_role_assignment.storage_uses_key]
}

resource "azurerm_storage_encryption_scope" "lake" {
  name                               = "lake"
  storage_account_id                 = azurerm_storage_account.lake.id
  source                             = "Microsoft.KeyVault"
  key_vault_key_id                   = azurerm_key_vault_key.lake.versionless_id
  infrastructure_encryption_required = true
}

# No writer may choose another scope, and so another key.
resource "azurerm_storage_container" "lake" {
  name                              = "lake"
  storage_account_id                = azurerm_storage_account.lake.id
  container_access_type             = "private"
  default_encryption_scope          = azurerm_storage_encryption_scope.lake.name
  encryption_scope_override_enabled = false
}

resource "azurerm_private_endpoint" "lake" {
  for_each            = toset(["blob", "dfs"])
  name                = "ft-lake-${each.value}"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
  subnet_id           = azurerm_subnet.endpoints.id
  private_service_connection {
    name                           = "lake-${each.value}"
    private_connection_resource_id = azurerm_storage_account.lake.id
    subresource_names              = [each.value]
    is_manual_connection           = false
  }
  private_dns_zone_group {
    name                 = "lake"
    private_dns_zone_ids = [azurerm_private_dns_zone.storage[each.value].id]
  }
}

resource "azurerm_private_dns_zone" "storage" {
  for_each            = toset(["blob", "dfs"])
  name                = "privatelink.${each.value}.core.windows.net"
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "storage" {
  for_each            = azurerm_private_dns_zone.storage
  name                = "ft-${each.key}"
  private_dns_zone_id = each.value.id
  virtual_network_id  = azurerm_virtual_network.platform.id
}

# Roles that differ in what they do with blobs; a condition of each assignment says where.
resource "azurerm_role_definition" "does" {
  for_each = local.does
  name     = "ft ${replace(each.key, "_", " ")} of the lake"
  scope    = azurerm_resource_group.platform.id
  permissions {
    actions      = ["Microsoft.Storage/storageAccounts/blobServices/containers/read"]
    data_actions = each.value
  }
}

resource "azurerm_role_assignment" "program" {
  for_each           = local.grants
  scope              = azurerm_storage_container.lake.id
  role_definition_id = azurerm_role_definition.does[each.value.does].role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.program[each.value.program].principal_id
  condition_version  = "2.0"
  # Names are listed below a path that may be used, and nowhere else; everything else is done there and nowhere else.
  condition = <<-EOT
    (
      !(ActionMatches{'${local.blobs}/read'} AND SubOperationMatches{'Blob.List'})
      OR @Request[${local.blobs}:prefix] StringLike '${var.lake_prefix}/${each.value.path}*'
    )
    AND
    (
      (ActionMatches{'${local.blobs}/read'} AND SubOperationMatches{'Blob.List'})
      OR @Resource[${local.blobs}:path] StringLike '${var.lake_prefix}/${each.value.path}*'
    )
  EOT
}

# Identities of programs. Pods take them by the name of their account in the cluster; there are no passwords.
resource "azurerm_user_assigned_identity" "program" {
  for_each            = local.rights
  name                = "ft-${each.key}"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_federated_identity_credential" "pod" {
  for_each                  = toset(["platform", "workers"])
  name                      = each.value
  user_assigned_identity_id = azurerm_user_assigned_identity.program[each.value].id
  issuer                    = azurerm_kubernetes_cluster.platform.oidc_issuer_url
  subject                   = "system:serviceaccount:${var.namespace}:ft-${each.value}"
  audience                  = ["api://AzureADTokenExchange"]
}

# Who read the closed zones past the platform.
resource "azurerm_log_analytics_workspace" "platform" {
  name                = "ft"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
  sku                 = "PerGB2018"
  retention_in_days   = 365
}

resource "azurerm_monitor_diagnostic_setting" "lake" {
  name                       = "reads-and-writes"
  target_resource_id         = "${azurerm_storage_account.lake.id}/blobServices/default"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.platform.id
  enabled_log {
    category = "StorageRead"
  }
  enabled_log {
    category = "StorageWrite"
  }
  enabled_log {
    category = "StorageDelete"
  }
}

resource "azurerm_container_registry" "images" {
  name                          = "${var.lake_account}images"
  location                      = azurerm_resource_group.platform.location
  resource_group_name           = azurerm_resource_group.platform.name
  sku                           = "Premium"
  admin_enabled                 = false
  public_network_access_enabled = false
}

resource "azurerm_private_dns_zone" "registry" {
  name                = "privatelink.azurecr.io"
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "registry" {
  name                = "ft-registry"
  private_dns_zone_id = azurerm_private_dns_zone.registry.id
  virtual_network_id  = azurerm_virtual_network.platform.id
}

resource "azurerm_private_endpoint" "registry" {
  name                = "ft-registry"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
  subnet_id           = azurerm_subnet.endpoints.id
  private_service_connection {
    name                           = "registry"
    private_connection_resource_id = azurerm_container_registry.images.id
    subresource_names              = ["registry"]
    is_manual_connection           = false
  }
  private_dns_zone_group {
    name                 = "registry"
    private_dns_zone_ids = [azurerm_private_dns_zone.registry.id]
  }
}

# PostgreSQL of Dagster. People and programs sign in by Entra ID; there is no password.
resource "azurerm_private_dns_zone" "database" {
  name                = "ft.private.postgres.database.azure.com"
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "database" {
  name                = "ft-database"
  private_dns_zone_id = azurerm_private_dns_zone.database.id
  virtual_network_id  = azurerm_virtual_network.platform.id
}

resource "azurerm_postgresql_flexible_server" "dagster" {
  name                          = "${var.lake_account}-dagster"
  location                      = azurerm_resource_group.platform.location
  resource_group_name           = azurerm_resource_group.platform.name
  version                       = "17"
  sku_name                      = "GP_Standard_D2ds_v5"
  storage_mb                    = 65536
  auto_grow_enabled             = true
  backup_retention_days         = 14
  delegated_subnet_id           = azurerm_subnet.database.id
  private_dns_zone_id           = azurerm_private_dns_zone.database.id
  public_network_access_enabled = false
  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = false
    tenant_id                     = data.azurerm_client_config.current.tenant_id
  }
  high_availability {
    mode = "ZoneRedundant"
  }
  lifecycle {
    ignore_changes = [zone, high_availability[0].standby_availability_zone]
  }
  depends_on = [azurerm_private_dns_zone_virtual_network_link.database]
}

resource "azurerm_postgresql_flexible_server_database" "dagster" {
  name      = "dagster"
  server_id = azurerm_postgresql_flexible_server.dagster.id
  charset   = "UTF8"
}

# The cluster: where the Helm chart and `backend: kubernetes` run.
resource "azurerm_user_assigned_identity" "cluster" {
  name                = "ft-cluster"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_role_assignment" "cluster_in_network" {
  scope                = azurerm_virtual_network.platform.id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

resource "azurerm_kubernetes_cluster" "platform" {
  name                      = "ft"
  location                  = azurerm_resource_group.platform.location
  resource_group_name       = azurerm_resource_group.platform.name
  dns_prefix                = "ft"
  private_cluster_enabled   = true
  oidc_issuer_enabled       = true
  workload_identity_enabled = true
  local_account_disabled    = true
  default_node_pool {
    name                 = "services"
    vm_size              = "Standard_D4ds_v5"
    vnet_subnet_id       = azurerm_subnet.programs.id
    auto_scaling_enabled = true
    min_count            = 1
    max_count            = 3
  }
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_policy      = "cilium"
    network_data_plane  = "cilium"
    outbound_type       = "none"
  }
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }
  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = [var.administrators]
  }
  node_provisioning_profile {
    mode = "Manual"
  }
  bootstrap_profile {
    artifact_source       = "Cache"
    container_registry_id = azurerm_container_registry.images.id
  }
  depends_on = [azurerm_role_assignment.cluster_in_network]
}

resource "azurerm_kubernetes_cluster_node_pool" "gpus" {
  name                  = "gpus"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.platform.id
  vm_size               = var.gpu_machine
  vnet_subnet_id        = azurerm_subnet.programs.id
  auto_scaling_enabled  = true
  min_count             = 0
  max_count             = var.most_gpu_machines
  node_taints           = ["nvidia.com/gpu=present:NoSchedule"]
}

resource "azurerm_role_assignment" "pulls_images" {
  scope                = azurerm_container_registry.images.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_kubernetes_cluster.platform.kubelet_identity[0].object_id
}

# Azure Machine Learning: jobs run in a network of its own that reaches the lake, the vault and the registry, and nothing else.
resource "azurerm_user_assigned_identity" "jobs" {
  count               = var.machine_learning ? 1 : 0
  name                = "ft-jobs"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_role_assignment" "workspace" {
  for_each             = local.workspace
  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.jobs[0].principal_id
}

resource "azurerm_role_assignment" "learning" {
  for_each             = local.learning
  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.program[each.value.program].principal_id
}

# Variables of programs, and nothing else: whoever reads it reads those of all programs.
resource "azurerm_key_vault" "launches" {
  count                         = var.machine_learning ? 1 : 0
  name                          = "${var.lake_account}runs"
  location                      = azurerm_resource_group.platform.location
  resource_group_name           = azurerm_resource_group.platform.name
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  soft_delete_retention_days    = 7
  public_network_access_enabled = false
}

resource "azurerm_private_dns_zone" "vault" {
  count               = var.machine_learning ? 1 : 0
  name                = "privatelink.vaultcore.azure.net"
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "vault" {
  count               = var.machine_learning ? 1 : 0
  name                = "ft-vault"
  private_dns_zone_id = azurerm_private_dns_zone.vault[0].id
  virtual_network_id  = azurerm_virtual_network.platform.id
}

resource "azurerm_private_endpoint" "launches" {
  count               = var.machine_learning ? 1 : 0
  name                = "ft-launches"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
  subnet_id           = azurerm_subnet.endpoints.id
  private_service_connection {
    name                           = "launches"
    private_connection_resource_id = azurerm_key_vault.launches[0].id
    subresource_names              = ["vault"]
    is_manual_connection           = false
  }
  private_dns_zone_group {
    name                 = "vault"
    private_dns_zone_ids = [azurerm_private_dns_zone.vault[0].id]
  }
}

# What the workspace asks for: an account for logs, a vault and a place for its own messages.
resource "azurerm_key_vault" "jobs" {
  count                         = var.machine_learning ? 1 : 0
  name                          = "${var.lake_account}jobs"
  location                      = azurerm_resource_group.platform.location
  resource_group_name           = azurerm_resource_group.platform.name
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  public_network_access_enabled = false
}

resource "azurerm_storage_account" "jobs" {
  count                             = var.machine_learning ? 1 : 0
  name                              = "${var.lake_account}jobs"
  location                          = azurerm_resource_group.platform.location
  resource_group_name               = azurerm_resource_group.platform.name
  account_tier                      = "Standard"
  account_replication_type          = "LRS"
  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  shared_access_key_enabled         = false
  public_network_access_enabled     = false
  allow_nested_items_to_be_public   = false
  infrastructure_encryption_enabled = true
}

resource "azurerm_application_insights" "jobs" {
  count                         = var.machine_learning ? 1 : 0
  name                          = "ft-jobs"
  location                      = azurerm_resource_group.platform.location
  resource_group_name           = azurerm_resource_group.platform.name
  application_type              = "web"
  workspace_id                  = azurerm_log_analytics_workspace.platform.id
  local_authentication_enabled  = false
}

resource "azurerm_machine_learning_workspace" "jobs" {
  count                          = var.machine_learning ? 1 : 0
  name                           = "ft"
  location                       = azurerm_resource_group.platform.location
  resource_group_name            = azurerm_resource_group.platform.name
  application_insights_id        = azurerm_application_insights.jobs[0].id
  key_vault_id                   = azurerm_key_vault.jobs[0].id
  storage_account_id             = azurerm_storage_account.jobs[0].id
  storage_account_access_type    = "Identity"
  container_registry_id          = azurerm_container_registry.images.id
  high_business_impact           = true
  public_network_access_enabled  = false
  primary_user_assigned_identity = azurerm_user_assigned_identity.jobs[0].id
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.jobs[0].id]
  }
  managed_network {
    isolation_mode                = "AllowOnlyApprovedOutbound"
    provision_on_creation_enabled = true
  }
  depends_on = [azurerm_role_assignment.workspace]
}

resource "azurerm_machine_learning_workspace_network_outbound_rule_private_endpoint" "lake" {
  for_each            = var.machine_learning ? toset(["blob", "dfs"]) : toset([])
  name                = "lake-${each.value}"
  workspace_id        = azurerm_machine_learning_workspace.jobs[0].id
  service_resource_id = azurerm_storage_account.lake.id
  sub_resource_target = each.value
}

resource "azurerm_machine_learning_workspace_network_outbound_rule_private_endpoint" "launches" {
  count               = var.machine_learning ? 1 : 0
  name                = "launches"
  workspace_id        = azurerm_machine_learning_workspace.jobs[0].id
  service_resource_id = azurerm_key_vault.launches[0].id
  sub_resource_target = "vault"
}

resource "azurerm_private_dns_zone" "workspace" {
  for_each            = var.machine_learning ? toset(["privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"]) : toset([])
  name                = each.value
  resource_group_name = azurerm_resource_group.platform.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "workspace" {
  for_each            = azurerm_private_dns_zone.workspace
  name                = "ft-${replace(each.key, ".", "-")}"
  private_dns_zone_id = each.value.id
  virtual_network_id  = azurerm_virtual_network.platform.id
}

resource "azurerm_private_endpoint" "workspace" {
  count               = var.machine_learning ? 1 : 0
  name                = "ft-workspace"
  location            = azurerm_resource_group.platform.location
  resource_group_name = azurerm_resource_group.platform.name
  subnet_id           = azurerm_subnet.endpoints.id
  private_service_connection {
    name                           = "workspace"
    private_connection_resource_id = azurerm_machine_learning_workspace.jobs[0].id
    subresource_names              = ["amlworkspace"]
    is_manual_connection           = false
  }
  private_dns_zone_group {
    name                 = "workspace"
    private_dns_zone_ids = [for zone in azurerm_private_dns_zone.workspace : zone.id]
  }
}

resource "azurerm_machine_learning_compute_cluster" "gpus" {
  count                         = var.machine_learning ? 1 : 0
  name                          = "gpu-cluster"
  location                      = azurerm_resource_group.platform.location
  machine_learning_workspace_id = azurerm_machine_learning_workspace.jobs[0].id
  vm_size                       = var.gpu_machine
  vm_priority                   = "Dedicated"
  local_auth_enabled            = false
  node_public_ip_enabled        = false
  ssh_public_access_enabled     = false
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.program["workers"].id]
  }
  scale_settings {
    min_node_count                       = 0
    max_node_count                       = var.most_gpu_machines
    scale_down_nodes_after_idle_duration = "PT10M"
  }
}

resource "azurerm_consumption_budget_resource_group" "month" {
  name              = "ft"
  resource_group_id = azurerm_resource_group.platform.id
  amount            = var.monthly_budget
  time_grain        = "Monthly"
  time_period {
    start_date = var.budget_from
  }
  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 80
    threshold_type = "Actual"
    contact_emails = [var.email]
  }
  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = [var.email]
  }
}

resource "azurerm_monitor_action_group" "email" {
  name                = "ft"
  short_name          = "ft"
  resource_group_name = azurerm_resource_group.platform.name
  email_receiver {
    name          = "ft"
    email_address = var.email
  }
}

resource "azurerm_monitor_metric_alert" "database" {
  name                = "ft-database-nearly-full"
  resource_group_name = azurerm_resource_group.platform.name
  scopes              = [azurerm_postgresql_flexible_server.dagster.id]
  description         = "The database of Dagster is nearly full."
  criteria {
    metric_namespace = "Microsoft.DBforPostgreSQL/flexibleServers"
    metric_name      = "storage_percent"
    aggregation      = "Average"
    operator         = "GreaterThan"
    threshold        = 85
  }
  action {
    action_group_id = azurerm_monitor_action_group.email.id
  }
}

output "lake_root" {
  value = "abfss://${azurerm_storage_container.lake.name}@${azurerm_storage_account.lake.name}.dfs.core.windows.net/${var.lake_prefix}"
}

output "database_host" {
  value = azurerm_postgresql_flexible_server.dagster.fqdn
}

output "key_vault_of_launches" {
  value = one(azurerm_key_vault.launches[*].vault_uri)
}

output "identities" {
  value = { for program, identity in azurerm_user_assigned_identity.program : program => identity.client_id }
}

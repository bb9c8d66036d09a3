data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# The functions of a deployment in another account clean this one up by three roles: one that reads, one that disables and
# puts back, one that deletes. Each trusts only the functions that have to do what it allows.
locals {
  partition = data.aws_partition.current.partition

  # log and approval-web have nothing to do here.
  trusted = merge(
    { read = ["check-ownership", "crosscheck-cloudtrail", "discover", "open-cases", "reconcile", "request-approval", "wait-soak"] },
    var.read_only ? {} : { change = ["disable", "restore"], delete = ["delete-all-artifacts"] },
  )
}

module "permissions" {
  source = "../permissions"

  partition         = local.partition
  account           = data.aws_caller_identity.current.account_id
  name_prefix       = var.name_prefix
  own_principals    = var.own_principals
  protected_paths   = var.protected_paths
  protected_tag_key = var.protected_tag_key
  groups            = local.trusted
}

resource "aws_iam_role" "this" {
  for_each = local.trusted

  name                 = "${var.name_prefix}-member-${each.key}"
  description          = "IAM Sunset in account ${var.deployment_account}: ${each.key}"
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
  # The account's root with a condition, rather than the roles themselves: a role that is made again under the same name
  # would not be trusted any more.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${var.deployment_account}:root" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "sts:ExternalId" = var.external_id }
        ArnEquals    = { "aws:PrincipalArn" = [for f in each.value : "arn:${local.partition}:iam::${var.deployment_account}:role/${var.name_prefix}-${f}"] }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.trusted

  name   = each.key
  role   = aws_iam_role.this[each.key].name
  policy = module.permissions.policies[each.key]
}

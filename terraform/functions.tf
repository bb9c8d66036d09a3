locals {
  # access says which of a member account's roles the function takes on; null: none. Memory also buys processor time.
  functions = {
    approval-web          = { access = null, memory = 512, timeout = 29, description = "The pages of approvers and owners, and decisions by signed requests." }
    check-ownership       = { access = "read", memory = 1024, timeout = 900, description = "Looks for policies, grants and tags that name users." }
    crosscheck-cloudtrail = { access = "read", memory = 512, timeout = 900, description = "Asks CloudTrail whether unused-looking users did anything." }
    delete-all-artifacts  = { access = "delete", memory = 512, timeout = 900, description = "Deletes an approved user with all it has, after reading everything again." }
    disable               = { access = "change", memory = 512, timeout = 900, description = "Writes a user's snapshot and quarantines it." }
    discover              = { access = "read", memory = 1024, timeout = 900, description = "Reads every user of the account." }
    log                   = { access = null, memory = 1024, timeout = 900, description = "Records plans, ends and failures." }
    open-cases            = { access = "read", memory = 1024, timeout = 900, description = "Claims eligible users and starts their cases." }
    reconcile             = { access = "read", memory = 1024, timeout = 900, description = "Announces, reminds, delivers, compares, closes and seals, once an hour." }
    request-approval      = { access = "read", memory = 512, timeout = 900, description = "Stores a request that is bound to the facts of the moment." }
    restore               = { access = "change", memory = 512, timeout = 900, description = "Puts a user back as its snapshot says." }
    wait-soak             = { access = "read", memory = 512, timeout = 900, description = "Listens to a quarantined user once." }
  }

  own_principals = concat([for name in sort(keys(local.functions)) : "arn:${local.partition}:iam::${local.account}:role/${var.name_prefix}-${name}"], var.own_principals)

  environment = {
    for name, f in local.functions : name => merge(
      {
        IAM_SUNSET_BUCKET        = local.evidence_bucket
        IAM_SUNSET_SETTINGS      = "s3://${local.settings_bucket}/${local.settings_key}"
        IAM_SUNSET_TABLE         = local.table
        IAM_SUNSET_STATE_MACHINE = local.machine_arn
        IAM_SUNSET_OWN           = join(",", local.own_principals)
      },
      f.access == null ? {} : { IAM_SUNSET_ACCESS = f.access },
      contains(local.records, name) ? { IAM_SUNSET_BUS = local.bus } : {},
      contains(local.sends, name) ? { IAM_SUNSET_MAIL_FROM = var.mail_from, IAM_SUNSET_TOPIC = local.topic_arn } : {},
      name == "open-cases" ? { IAM_SUNSET_ALIAS = local.alias_arn } : {},
      contains(["approval-web", "reconcile"], name) ? { IAM_SUNSET_LINKS_KEY = aws_kms_key.links.arn } : {},
      contains(concat(["approval-web"], local.invites_owners), name) ? {
        IAM_SUNSET_PAGES_URL  = aws_apigatewayv2_api.pages.api_endpoint
        IAM_SUNSET_OWNERS_KEY = aws_kms_key.owners.arn
      } : {},
      name == "approval-web" ? { IAM_SUNSET_RESTORE_FUNCTION = local.restore_arn } : {},
      # That there is one is no secret; what it is, is.
      name == "approval-web" && nonsensitive(var.sign_in_client_secret != null) ? { IAM_SUNSET_OIDC_CLIENT_SECRET = var.sign_in_client_secret } : {},
      contains(concat(["approval-web"], local.checks_decisions), name) ? { IAM_SUNSET_DECISIONS_KEY = aws_kms_key.decisions.arn } : {},
      name == "reconcile" ? { IAM_SUNSET_SEALING_KEY = aws_kms_key.sealing.arn } : {},
    )
  }

  packages_dir = coalesce(var.packages_dir, "${path.module}/../dist")
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name                 = "${var.name_prefix}-${each.key}"
  description          = each.value.description
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = "function"
  role   = aws_iam_role.function[each.key].name
  policy = module.permissions.policies[each.key]
}

# CloudTrail answers two requests a second in a region, and IAM's rates are not published: crosscheck-cloudtrail runs once,
# and of wait-soak and delete-all-artifacts no more at once than the account bears beside everybody else who asks. Whoever
# finds no room is tried again by the definition. Rounds of reconcile follow each other, since a hundred cases that are
# stopped at once make a hundred events, and two rounds side by side would tell approvers twice; Lambda keeps what waits for
# hours: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name                 = "${var.name_prefix}-${each.key}"
  description          = each.value.description
  role_arn             = aws_iam_role.function[each.key].arn
  package              = "${local.packages_dir}/${each.key}.zip"
  architecture         = var.architecture
  memory               = each.value.memory
  timeout              = each.value.timeout
  reserved_concurrency = lookup(var.reserved_concurrency, each.key, null)
  environment          = local.environment[each.key]
  alias                = local.alias
  log_retention_days   = var.log_retention_days
  log_key_arn          = aws_kms_key.data.arn
  tags                 = var.tags

  depends_on = [aws_iam_role_policy.function]
}

# What each function keeps, sends and calls in the deployment itself. What it does in the account that is cleaned up is in
# modules/permissions. Nothing here is about KMS: a key's own policy says who may use it (keys.tf).
locals {
  everybody = keys(local.functions)

  # Rows by kind, the part of a key before its first slash. Who puts a row reads it first.
  lists_rows = {
    approval-web         = ["decision", "request", "round"]
    check-ownership      = ["case"]
    delete-all-artifacts = ["case", "decision", "round"]
    disable              = ["case", "round"]
    discover             = ["case"]
    log                  = ["decision"]
    open-cases           = ["case"]
    reconcile            = ["announced", "case", "cleanup", "decision", "request", "round", "token", "unsent"]
    request-approval     = ["case", "round"]
    restore              = ["decision", "round"]
    wait-soak            = ["decision"]
  }
  # Whoever records something publishes it too, and leaves a row of kind unsent where that fails.
  puts_rows = {
    approval-web         = ["decision", "owner", "request", "token", "unsent"]
    delete-all-artifacts = ["case", "request", "unsent"]
    disable              = ["case", "ownerlink", "turns", "unsent"]
    discover             = ["cleanup", "unsent"]
    log                  = ["case", "cleanup", "request", "unsent"]
    open-cases           = ["case", "cleanup", "ownerlink", "unsent"]
    reconcile            = ["announced", "case", "cleanup", "link", "ownerlink", "request", "token", "unsent"]
    request-approval     = ["case", "ownerlink", "request", "round", "token", "unsent"]
    restore              = ["case", "cleanup", "request", "unsent"]
    wait-soak            = ["case", "unsent"]
  }
  # A link is new or it is nothing. Whoever tells a case's owner something asks first whom it was handed over to.
  gets_rows = { for name, kinds in merge(local.puts_rows, {
    approval-web         = concat(local.puts_rows["approval-web"], ["case"])
    delete-all-artifacts = concat(local.puts_rows["delete-all-artifacts"], ["cleanup", "control"])
    disable              = concat(local.puts_rows["disable"], ["control", "owner"])
    log                  = concat(local.puts_rows["log"], ["owner"])
    open-cases           = concat(local.puts_rows["open-cases"], ["owner"])
    reconcile            = concat(local.puts_rows["reconcile"], ["owner"])
    request-approval     = concat(local.puts_rows["request-approval"], ["owner"])
    restore              = concat(local.puts_rows["restore"], ["owner"])
    wait-soak            = concat(local.puts_rows["wait-soak"], ["owner", "request"])
  }) : name => name == "approval-web" ? concat(kinds, ["link", "ownerlink"]) : sort(setsubtract(kinds, ["link", "ownerlink"])) }

  # Objects by the first parts of their keys. Who appends a record reads its chain.
  puts_objects = {
    approval-web          = ["evidence/case/"]
    check-ownership       = ["plans/"]
    crosscheck-cloudtrail = ["plans/"]
    delete-all-artifacts  = ["evidence/case/", "evidence/cleanup/"]
    disable               = ["evidence/case/", "snapshots/"]
    discover              = ["evidence/cleanup/", "plans/"]
    log                   = ["evidence/case/", "evidence/cleanup/"]
    open-cases            = ["cases/", "evidence/case/"]
    reconcile             = ["evidence/account/", "evidence/case/", "evidence/checkpoint/", "evidence/cleanup/", "evidence/key/", "evidence/manifest/"]
    request-approval      = ["evidence/case/"]
    restore               = ["evidence/case/", "evidence/cleanup/"]
    wait-soak             = ["evidence/case/"]
  }
  gets_objects = merge(local.puts_objects, {
    approval-web         = ["cases/", "evidence/case/"]
    delete-all-artifacts = ["cases/", "evidence/case/", "evidence/cleanup/", "snapshots/"]
    disable              = ["cases/", "evidence/case/", "snapshots/"]
    log                  = ["cases/", "evidence/case/", "evidence/cleanup/", "plans/"]
    open-cases           = ["cases/", "evidence/case/", "plans/"]
    reconcile            = ["cases/", "evidence/", "snapshots/"]
    request-approval     = ["cases/", "evidence/case/", "evidence/cleanup/", "snapshots/"]
    restore              = ["cases/", "evidence/case/", "evidence/cleanup/", "snapshots/"]
    wait-soak            = ["cases/", "evidence/case/", "evidence/cleanup/", "snapshots/"]
  })

  records = setsubtract(local.everybody, ["check-ownership", "crosscheck-cloudtrail"])
  sends   = ["disable", "log", "open-cases", "reconcile", "request-approval", "restore", "wait-soak"]

  grants = concat(
    [
      { functions = local.everybody, actions = ["s3:GetObject"], resources = ["${local.settings_bucket_arn}/${local.settings_key}"] },
      # Without it S3 answers 403 and not 404 for a key that is not there, and asks for it without a prefix then. Keys tell
      # no secrets.
      { functions = local.records, actions = ["s3:ListBucket"], resources = [local.evidence_bucket_arn] },
    ],
    [for name, prefixes in local.gets_objects : { functions = [name], actions = ["s3:GetObject"], resources = [for p in prefixes : "${local.evidence_bucket_arn}/${p}*"] }],
    [for name, prefixes in local.puts_objects : { functions = [name], actions = ["s3:PutObject"], resources = [for p in prefixes : "${local.evidence_bucket_arn}/${p}*"] }],
    [for row in flatten([
      for action, by_function in { GetItem = local.gets_rows, PutItem = local.puts_rows, Query = local.lists_rows } : [
        for name, kinds in by_function : { name = name, action = action, kinds = kinds }
      ]]) : {
      functions = [row.name]
      actions   = ["dynamodb:${row.action}"]
      resources = [local.table_arn]
      condition = jsonencode({ "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = row.kinds } })
    }],
    [
      { functions = local.records, actions = ["events:PutEvents"], resources = [local.bus_arn], condition = jsonencode({ StringEquals = { "events:source" = "iam-sunset" } }) },
      { functions = local.sends, actions = ["ses:SendEmail"], resources = [local.mail_identity_arn], condition = jsonencode({ StringEquals = { "ses:FromAddress" = var.mail_from } }) },
      { functions = local.sends, actions = ["sns:Publish"], resources = [local.topic_arn] },

      # A version's or alias's permission is that of the machine, narrowed by its qualifier.
      # https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html
      { functions = ["open-cases"], actions = ["states:StartExecution"], resources = [local.machine_arn], condition = jsonencode({ "ForAnyValue:StringEquals" = { "states:StateMachineQualifier" = [local.alias] } }) },
      { functions = ["reconcile"], actions = ["states:ListExecutions"], resources = [local.machine_arn] },
      { functions = ["reconcile"], actions = ["states:DescribeExecution"], resources = [local.executions_arn] },
      # AWS knows no resource for it: the token itself says which execution.
      { functions = ["approval-web", "reconcile"], actions = ["states:SendTaskSuccess"], resources = ["*"] },
      # Who keeps a user on a page has it back on the spot; the pages' own role may change none.
      { functions = ["approval-web"], actions = ["lambda:InvokeFunction"], resources = [local.restore_arn] },
      # Who started a cleanup is what CloudTrail says; delete-all-artifacts may ask for its own reasons already.
      { functions = ["reconcile"], actions = ["cloudtrail:LookupEvents"], resources = ["*"] },
    ],
    [for access, arns in { for a in ["read", "change", "delete"] : a => [for m in var.settings.accounts : m.roles[a]] } : {
      functions = [for name, f in local.functions : name if f.access == access]
      actions   = ["sts:AssumeRole"]
      resources = arns
      condition = jsonencode({ StringEquals = { "sts:ExternalId" = var.settings.accounts[*].external_id } })
    } if length(arns) > 0],
    [for name in local.everybody : {
      functions = [name]
      actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      resources = ["arn:${local.partition}:logs:${local.regional}:log-group:/aws/lambda/${var.name_prefix}-${name}:*"]
    }],
    [
      { functions = local.everybody, actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources = ["*"] },
      {
        functions = local.everybody
        effect    = "Deny"
        resources = [local.evidence_bucket_arn, "${local.evidence_bucket_arn}/*"]
        actions = [
          "s3:BypassGovernanceRetention", "s3:DeleteBucket*", "s3:DeleteObject*", "s3:PutBucket*", "s3:PutLifecycleConfiguration",
          "s3:PutObjectLegalHold", "s3:PutObjectRetention",
        ]
      },
    ],
  )
}

module "permissions" {
  source = "./modules/permissions"

  partition         = local.partition
  account           = local.account
  name_prefix       = var.name_prefix
  own_principals    = var.own_principals
  protected_paths   = local.protected_paths
  protected_tag_key = var.protected_tag_key
  grants            = local.grants
}

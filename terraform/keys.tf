locals {
  root_arn = "arn:${local.partition}:iam::${local.account}:root"

  # Who looks after a key that makes evidence may not use it. Reading its policy has to stay possible, also for the
  # ownership check: a key that it can't read keeps every user.
  administer = {
    Sid       = "Administer"
    Effect    = "Allow"
    Principal = { AWS = local.root_arn }
    Resource  = "*"
    Action = [
      "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey",
      "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:GetPublicKey", "kms:ListGrants", "kms:ListKeyPolicies",
      "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
      "kms:UpdateAlias", "kms:UpdateKeyDescription",
    ]
  }

  # Those that meet a decision before they act on it: a forged delete would kill, and a forged keep wake a stolen key.
  checks_decisions = ["delete-all-artifacts", "log", "reconcile", "restore", "wait-soak"]

  # Those that send owners a link. By it a user is kept and never deleted, so that they may be more than one.
  invites_owners = ["disable", "open-cases", "reconcile", "request-approval"]
}

# Everything that is kept: evidence, settings, rows, logs, messages on their way.
resource "aws_kms_key" "data" {
  description             = "${var.name_prefix}: data at rest"
  deletion_window_in_days = 30
  enable_key_rotation     = true
  tags                    = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountDecides"
        Effect    = "Allow"
        Principal = { AWS = local.root_arn }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Functions"
        Effect    = "Allow"
        Principal = { AWS = [for name in sort(keys(local.role_arns)) : local.role_arns[name]] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:ViaService" = [for s in ["dynamodb", "s3", "sns"] : "${s}.${local.region}.amazonaws.com"] } }
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = local.log_groups } }
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account, "kms:EncryptionContext:aws:sns:topicArn" = local.topic_arn } }
      },
      {
        # EventBridge does not say for whom it publishes to an encrypted topic: a condition on its source would shut it out.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        Sid       = "FailedExecutions"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:EncryptionContext:aws:sns:topicArn" = local.topic_arn } }
      },
    ]
  })

  lifecycle {
    prevent_destroy = true # without it no evidence can be read
  }
}

# Executions: inputs, answers and task tokens are in their history.
resource "aws_kms_key" "executions" {
  description             = "${var.name_prefix}: executions"
  deletion_window_in_days = 30
  enable_key_rotation     = true
  tags                    = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountDecides"
        Effect    = "Allow"
        Principal = { AWS = local.root_arn }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        # The machine itself, and who starts, looks at or answers its executions.
        # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
        Sid    = "Executions"
        Effect = "Allow"
        Principal = { AWS = concat(
          [local.machine_role_arn],
          [for name in ["approval-web", "open-cases", "reconcile"] : local.role_arns[name]],
          local.scheduler_role_arns,
        ) }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:EncryptionContext:aws:states:stateMachineArn" = local.machine_arn } }
      },
      {
        Sid       = "WriteLogs"
        Effect    = "Allow"
        Principal = { AWS = local.machine_role_arn }
        Action    = "kms:GenerateDataKey"
        Resource  = "*"
        Condition = { StringLike = { "kms:EncryptionContext:SourceArn" = "arn:${local.partition}:logs:${local.regional}:*" } }
      },
      {
        Sid       = "DeliverLogs"
        Effect    = "Allow"
        Principal = { Service = "delivery.logs.amazonaws.com" }
        Action    = "kms:Decrypt"
        Resource  = "*"
        Condition = { StringLike = { "kms:EncryptionContext:SourceArn" = "arn:${local.partition}:logs:${local.regional}:*" } }
      },
    ]
  })
}

# MACs of decisions. Whoever can write rows still can't make a decision.
resource "aws_kms_key" "decisions" {
  description              = "${var.name_prefix}: MACs of decisions"
  key_usage                = "GENERATE_VERIFY_MAC"
  customer_master_key_spec = "HMAC_256"
  deletion_window_in_days  = 30
  tags                     = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.administer,
      {
        Sid       = "Decide"
        Effect    = "Allow"
        Principal = { AWS = local.role_arns["approval-web"] }
        Action    = "kms:GenerateMac"
        Resource  = "*"
        Condition = { StringEquals = { "kms:MacAlgorithm" = "HMAC_SHA_256" } }
      },
      {
        Sid       = "Check"
        Effect    = "Allow"
        Principal = { AWS = [for name in local.checks_decisions : local.role_arns[name]] }
        Action    = "kms:VerifyMac"
        Resource  = "*"
        Condition = { StringEquals = { "kms:MacAlgorithm" = "HMAC_SHA_256" } }
      },
      {
        Sid       = "NobodyElseDecides"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["kms:GenerateMac", "kms:CreateGrant"]
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.role_arns["approval-web"] } }
      },
    ]
  })
}

# MACs of links. Who makes links can't make decisions, and the other way round.
resource "aws_kms_key" "links" {
  description              = "${var.name_prefix}: MACs of links"
  key_usage                = "GENERATE_VERIFY_MAC"
  customer_master_key_spec = "HMAC_256"
  deletion_window_in_days  = 30
  tags                     = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.administer,
      {
        Sid       = "Invite"
        Effect    = "Allow"
        Principal = { AWS = local.role_arns["reconcile"] }
        Action    = "kms:GenerateMac"
        Resource  = "*"
        Condition = { StringEquals = { "kms:MacAlgorithm" = "HMAC_SHA_256" } }
      },
      {
        Sid       = "Check"
        Effect    = "Allow"
        Principal = { AWS = local.role_arns["approval-web"] }
        Action    = "kms:VerifyMac"
        Resource  = "*"
        Condition = { StringEquals = { "kms:MacAlgorithm" = "HMAC_SHA_256" } }
      },
      {
        Sid       = "NobodyElseInvites"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["kms:GenerateMac", "kms:CreateGrant"]
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.role_arns["reconcile"] } }
      },
    ]
  })
}

# MACs of owners' links. Who makes them can make no approver's link and no decision.
resource "aws_kms_key" "owners" {
  description              = "${var.name_prefix}: MACs of owners' links"
  key_usage                = "GENERATE_VERIFY_MAC"
  customer_master_key_spec = "HMAC_256"
  deletion_window_in_days  = 30
  tags                     = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.administer,
      {
        Sid       = "Invite"
        Effect    = "Allow"
        Principal = { AWS = [for name in local.invites_owners : local.role_arns[name]] }
        Action    = "kms:GenerateMac"
        Resource  = "*"
        Condition = { StringEquals = { "kms:MacAlgorithm" = "HMAC_SHA_256" } }
      },
      {
        Sid       = "Check"
        Effect    = "Allow"
        Principal = { AWS = local.role_arns["approval-web"] }
        Action    = "kms:VerifyMac"
        Resource  = "*"
        Condition = { StringEquals = { "kms:MacAlgorithm" = "HMAC_SHA_256" } }
      },
      {
        Sid       = "NobodyElseInvites"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["kms:GenerateMac", "kms:CreateGrant"]
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = [for name in local.invites_owners : local.role_arns[name]] } }
      },
    ]
  })
}

# Signs where chains of records end. Its public half is all that an auditor needs.
resource "aws_kms_key" "sealing" {
  description              = "${var.name_prefix}: signs the ends of chains"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = 30
  tags                     = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.administer,
      {
        Sid       = "Seal"
        Effect    = "Allow"
        Principal = { AWS = local.role_arns["reconcile"] }
        Action    = "kms:Sign"
        Resource  = "*"
        Condition = { StringEquals = { "kms:SigningAlgorithm" = "ECDSA_SHA_256", "kms:MessageType" = "DIGEST" } }
      },
      {
        Sid       = "TellThePublicHalf"
        Effect    = "Allow"
        Principal = { AWS = local.role_arns["reconcile"] }
        Action    = "kms:GetPublicKey"
        Resource  = "*"
      },
      {
        Sid       = "NobodyElseSeals"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["kms:Sign", "kms:CreateGrant"]
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.role_arns["reconcile"] } }
      },
    ]
  })

  lifecycle {
    prevent_destroy = true # a second one could not stand for what this one has signed
  }
}

resource "aws_kms_alias" "this" {
  for_each = {
    data       = aws_kms_key.data.key_id
    executions = aws_kms_key.executions.key_id
    decisions  = aws_kms_key.decisions.key_id
    links      = aws_kms_key.links.key_id
    owners     = aws_kms_key.owners.key_id
    sealing    = aws_kms_key.sealing.key_id
  }

  name          = "alias/${var.name_prefix}-${each.key}"
  target_key_id = each.value
}

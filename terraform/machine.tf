locals {
  machine_role_arn = "arn:${local.partition}:iam::${local.account}:role/${aws_iam_role.machine.name}"

  # Versions and not names: a case goes on with the code that it began with, however long it waits.
  definition = templatefile("${path.module}/../statemachine/sunset.asl.json", {
    for name in setsubtract(keys(local.functions), ["approval-web", "reconcile"]) :
    "${replace(name, "-", "_")}_arn" => module.function[name].qualified_arn
  })
}

resource "aws_cloudwatch_log_group" "machine" {
  name              = "/aws/vendedlogs/states/${var.name_prefix}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
  tags              = var.tags
}

resource "aws_iam_role" "machine" {
  name                 = "${var.name_prefix}-machine"
  description          = "Calls the functions of the state machine."
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:states:${local.regional}:stateMachine:*" }
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  name = "machine"
  role = aws_iam_role.machine.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Every version: cases in flight still call the earlier ones.
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = [for name in sort(setsubtract(keys(local.functions), ["approval-web", "reconcile"])) : "arn:${local.partition}:lambda:${local.regional}:function:${var.name_prefix}-${name}:*"]
      },
      {
        # What vended logs and traces want; AWS knows no resources for these.
        # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "logs:GetLogDelivery",
          "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
          "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
        ]
        Resource = "*"
      },
    ]
  })
}

resource "aws_sfn_state_machine" "this" {
  name       = local.machine
  type       = "STANDARD"
  role_arn   = aws_iam_role.machine.arn
  definition = local.definition
  publish    = true
  tags       = var.tags

  # Without execution data: task tokens are in it.
  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.machine.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  encryption_configuration {
    type                              = "CUSTOMER_MANAGED_KMS_KEY"
    kms_key_id                        = aws_kms_key.executions.arn
    kms_data_key_reuse_period_seconds = 300
  }

  depends_on = [aws_iam_role_policy.machine]
}

# New executions begin by this alias, with the newest version. Those that run keep theirs.
resource "aws_sfn_alias" "live" {
  name        = local.alias
  description = "By which cleanups and cases are started"

  routing_configuration {
    state_machine_version_arn = aws_sfn_state_machine.this.state_machine_version_arn
    weight                    = 100
  }
}

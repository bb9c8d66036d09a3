locals {
  reconcile_rule = "${var.name_prefix}-reconcile"
  failed_rule    = "${var.name_prefix}-failed"

  # EventBridge Scheduler looks for its keyword as text, and JSON as Terraform writes it has no angle brackets.
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
  scheduled_start = replace(jsonencode({
    StateMachineArn = local.alias_arn
    Name            = "scheduled-EXECUTION-ID"
    Input = jsonencode(merge(
      { starter = try(local.scheduler_role_arns[0], "") },
      try(var.schedule.mode, "") == "start" ? {} : { dry_run = true },
    ))
  }), "EXECUTION-ID", "<aws.scheduler.execution-id>")

  scheduler_role_arns = [for r in aws_iam_role.scheduler : "arn:${local.partition}:iam::${local.account}:role/${r.name}"]
}

resource "aws_cloudwatch_event_rule" "reconcile" {
  name                = local.reconcile_rule
  description         = "Announces, reminds, delivers, compares, closes and seals"
  schedule_expression = "rate(1 hour)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "reconcile" {
  rule  = aws_cloudwatch_event_rule.reconcile.name
  arn   = module.function["reconcile"].alias_arn
  input = jsonencode({})
}

# What is stopped or runs out reaches no state that could say so.
resource "aws_cloudwatch_event_rule" "failed" {
  name        = local.failed_rule
  description = "Executions that failed, timed out or were stopped"
  tags        = var.tags
  event_pattern = jsonencode({
    source        = ["aws.states"]
    "detail-type" = ["Step Functions Execution Status Change"]
    detail = {
      status = ["ABORTED", "FAILED", "TIMED_OUT"]
      # Not whatever begins alike: another deployment's name may.
      stateMachineArn = [local.machine_arn, { prefix = "${local.machine_arn}:" }]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed_evidence" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = module.function["reconcile"].alias_arn
}

resource "aws_cloudwatch_event_target" "failed_team" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = aws_sns_topic.team.arn

  # Name and status alone: an input may hold names, and a cause whatever an error said.
  input_transformer {
    input_paths = {
      name   = "$.detail.name"
      status = "$.detail.status"
    }
    input_template = "\"IAM Sunset: the execution <name> ended as <status>. Its user stays as it stands. See docs/operations.md, and iam-sunset history <name>.\""
  }
}

resource "aws_lambda_permission" "reconcile" {
  for_each = { hourly = aws_cloudwatch_event_rule.reconcile.arn, failed = aws_cloudwatch_event_rule.failed.arn }

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = module.function["reconcile"].function_name
  qualifier     = module.function["reconcile"].alias
  principal     = "events.amazonaws.com"
  source_arn    = each.value
}

resource "aws_iam_role" "scheduler" {
  count = var.schedule == null ? 0 : 1

  name                 = "${var.name_prefix}-scheduler"
  description          = "Starts cleanups on schedule."
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  count = var.schedule == null ? 0 : 1

  name = "scheduler"
  role = aws_iam_role.scheduler[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "states:StartExecution"
      Resource  = local.machine_arn
      Condition = { "ForAnyValue:StringEquals" = { "states:StateMachineQualifier" = [local.alias] } }
    }]
  })
}

# By EventBridge Scheduler rather than a rule, because a rule's own execution names are longer than a cleanup's may be. The
# same user found twice, by a start that is tried again, has one case.
resource "aws_scheduler_schedule" "cleanup" {
  count = var.schedule == null ? 0 : 1

  name                         = "${var.name_prefix}-cleanup"
  description                  = "Starts a cleanup"
  schedule_expression          = var.schedule.expression
  schedule_expression_timezone = var.schedule.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:sfn:startExecution"
    role_arn = aws_iam_role.scheduler[0].arn
    input    = local.scheduled_start

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
  }

  depends_on = [aws_sfn_alias.live, aws_iam_role_policy.scheduler]
}

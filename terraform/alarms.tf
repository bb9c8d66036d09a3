locals {
  # What reconcile finds in a round, as it writes it into its log (embedded metric format).
  alarms = {
    CasesFailed = {
      name = "cases-failed"
      text = "A case failed: its user stays as it stands, and later turns of its cleanup wait for a person. What to do: docs/operations.md#cases-failed"
    }
    CasesDisturbed = {
      name = "cases-disturbed"
      text = "Somebody or something uses, or tries to use, a quarantined user. What to do: docs/operations.md#cases-disturbed"
    }
    CasesExpired = {
      name = "cases-expired"
      text = "Nobody decided in time; the user stays quarantined. What to do: docs/operations.md#cases-expired"
    }
    ApprovalsEndingSoon = {
      name = "approvals-ending-soon"
      text = "A request for approval soon runs out undecided. What to do: docs/operations.md#approvals-ending-soon"
    }
    MessagesUndelivered = {
      name = "messages-undelivered"
      text = "A message could not be sent and is tried again every hour. What to do: docs/operations.md#messages-undelivered"
    }
    ChainProblems = {
      name = "chain-problems"
      text = "A chain of records does not verify: one is missing, changed, re-ordered or cut. What to do: docs/operations.md#chain-problems"
    }
  }
  alarm_actions = concat([local.topic_arn], var.alarm_actions)
}

resource "aws_cloudwatch_metric_alarm" "found" {
  for_each = local.alarms

  alarm_name          = "${var.name_prefix}-${each.value.name}"
  alarm_description   = each.value.text
  namespace           = "IAMSunset"
  metric_name         = each.key
  dimensions          = { Deployment = var.name_prefix }
  statistic           = "Maximum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching" # reconcile-not-run says so
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "reconcile_not_run" {
  alarm_name          = "${var.name_prefix}-reconcile-not-run"
  alarm_description   = "reconcile has not come to its end for three hours: nobody is announced to or reminded, and no other alarm can be trusted. What to do: docs/operations.md#reconcile-not-run"
  namespace           = "IAMSunset"
  metric_name         = "ReconcileRuns"
  dimensions          = { Deployment = var.name_prefix }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "reconcile_errors" {
  alarm_name          = "${var.name_prefix}-reconcile-errors"
  alarm_description   = "A part of what reconcile does fails again and again. What to do: docs/operations.md#reconcile-errors"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = "${var.name_prefix}-reconcile" }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

locals {
  restore_arn = "arn:${local.partition}:lambda:${local.regional}:function:${var.name_prefix}-restore:${local.alias}"
}

output "deployment" {
  description = "Where everything of this deployment is. The iam-sunset command reads it: terraform output -json deployment > iam-sunset.json"
  value = {
    version          = 1
    region           = local.region
    account          = local.account
    state_machine    = local.machine_arn
    alias            = aws_sfn_alias.live.arn
    pages_url        = aws_apigatewayv2_api.pages.api_endpoint
    bucket           = aws_s3_bucket.evidence.bucket
    table            = aws_dynamodb_table.casebook.name
    settings         = "s3://${local.settings_bucket}/${local.settings_key}"
    decisions_key    = aws_kms_key.decisions.arn
    links_key        = aws_kms_key.links.arn
    owners_key       = aws_kms_key.owners.arn
    sealing_key      = aws_kms_key.sealing.arn
    restore_function = module.function["restore"].alias_arn
    mail_from        = var.mail_from
    topic            = aws_sns_topic.team.arn
    bus              = aws_cloudwatch_event_bus.this.name
  }
}

output "pages_url" {
  description = "Where the approval pages are."
  value       = aws_apigatewayv2_api.pages.api_endpoint
}

output "topic_arn" {
  description = "The team's topic: subscribe chat hooks, queues and people to it."
  value       = aws_sns_topic.team.arn
}

output "bus_name" {
  description = "The EventBridge bus on which everything that happens is published."
  value       = aws_cloudwatch_event_bus.this.name
}

output "function_role_arns" {
  description = "The functions' roles by name, for modules/member-account."
  value       = local.role_arns
}

output "operator_policy_json" {
  description = "Policy for people who run the iam-sunset command against this deployment: start, status, history, pause, resume, stop, rescue, approve."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.operator_statements })
}

# E-mail subscriptions of a topic can be ended by anybody who clicks the link in a message, mail scanners included; only the
# call that confirms a subscription can forbid that (AuthenticateOnUnsubscribe), and the one who gets the mail makes it.
resource "aws_sns_topic" "team" {
  name              = local.topic
  kms_master_key_id = aws_kms_key.data.arn
  tags              = var.tags
}

resource "aws_sns_topic_policy" "team" {
  arn = aws_sns_topic.team.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { ArnLike = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.regional}:alarm:${var.name_prefix}-*" } }
      },
      {
        # Without a condition, which EventBridge's own messages to a topic can't meet.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        Sid       = "FailedExecutions"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
      },
      {
        Sid       = "OnlyByTLS"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "team" {
  for_each = toset(var.team_emails)

  topic_arn = aws_sns_topic.team.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sesv2_email_identity" "this" {
  count = var.create_mail_identity ? 1 : 0

  email_identity = local.mail_identity
  tags           = var.tags
}

# Everything that happens, for chat and tickets to hang off it: docs/events.md.
resource "aws_cloudwatch_event_bus" "this" {
  name        = local.bus
  description = "What happens to users under clean-up"
  tags        = var.tags
}

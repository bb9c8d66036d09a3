data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# ARNs are put together here from names rather than read from resources: policies are then known when a plan is shown, for
# people and for tests, and resources that speak of each other make no circle.
locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
  account   = data.aws_caller_identity.current.account_id

  regional = "${local.region}:${local.account}"

  evidence_bucket     = "${var.name_prefix}-evidence-${local.account}-${local.region}"
  evidence_bucket_arn = "arn:${local.partition}:s3:::${local.evidence_bucket}"
  settings_bucket     = "${var.name_prefix}-settings-${local.account}-${local.region}"
  settings_bucket_arn = "arn:${local.partition}:s3:::${local.settings_bucket}"
  settings_key        = "settings.json"

  table     = var.name_prefix
  table_arn = "arn:${local.partition}:dynamodb:${local.regional}:table/${local.table}"

  machine        = var.name_prefix
  machine_arn    = "arn:${local.partition}:states:${local.regional}:stateMachine:${local.machine}"
  executions_arn = "arn:${local.partition}:states:${local.regional}:execution:${local.machine}:*"
  alias          = "live"
  alias_arn      = "${local.machine_arn}:${local.alias}"

  topic     = "${var.name_prefix}-team"
  topic_arn = "arn:${local.partition}:sns:${local.regional}:${local.topic}"
  bus       = var.name_prefix
  bus_arn   = "arn:${local.partition}:events:${local.regional}:event-bus/${local.bus}"

  mail_identity     = coalesce(var.mail_identity, split("@", var.mail_from)[1])
  mail_identity_arn = "arn:${local.partition}:ses:${local.regional}:identity/${local.mail_identity}"

  # The name comes from the role itself, so that whoever names a role waits for it: a key's or bucket's policy that names a
  # role which is not there yet is refused.
  role_arns = { for name, role in aws_iam_role.function : name => "arn:${local.partition}:iam::${local.account}:role/${role.name}" }

  log_groups = [
    "arn:${local.partition}:logs:${local.regional}:log-group:/aws/lambda/${var.name_prefix}-*",
    "arn:${local.partition}:logs:${local.regional}:log-group:/aws/vendedlogs/states/${var.name_prefix}",
    "arn:${local.partition}:logs:${local.regional}:log-group:/aws/vendedlogs/apis/${var.name_prefix}",
  ]
}

output "account" {
  description = "The account's entry in the deployment's settings.accounts, all but external_id. A role that was not made is named all the same, and can't be taken on."
  value = {
    id    = data.aws_caller_identity.current.account_id
    roles = { for access in ["read", "change", "delete"] : access => "arn:${local.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name_prefix}-member-${access}" }
  }

  depends_on = [aws_iam_role_policy.this]
}

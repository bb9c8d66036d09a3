# What each function does in the account that is cleaned up, as internal/workflow and the packages below it call it. A
# resource is "*" only where AWS knows no finer one, and sts:GetCallerIdentity needs no permission:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
locals {
  every_user   = "arn:${var.partition}:iam::${var.account}:user/*"
  every_group  = "arn:${var.partition}:iam::${var.account}:group/*"
  every_device = "arn:${var.partition}:iam::${var.account}:mfa/*"

  # AWS's own deny-all, the one policy that is ever attached.
  deny_all = jsonencode({ ArnEquals = { "iam:PolicyARN" = "arn:aws:iam::aws:policy/AWSDenyAll" } })
  our_tag  = jsonencode({ "ForAllValues:StringEquals" = { "aws:TagKeys" = ["iam-sunset-case"] } })

  ownership = ["check-ownership", "delete-all-artifacts", "disable", "request-approval"]
  trail     = ["crosscheck-cloudtrail", "delete-all-artifacts", "disable", "wait-soak"]
  whole     = ["delete-all-artifacts", "disable", "reconcile", "restore", "wait-soak"] # read a user whole
  detailed  = concat(local.whole, ["discover"])
  changing  = ["delete-all-artifacts", "disable", "restore"]

  account_grants = [
    # Reading users.
    { functions = ["discover"], actions = ["iam:GenerateCredentialReport", "iam:GetCredentialReport"], resources = ["*"] },
    {
      functions = ["delete-all-artifacts", "disable", "discover", "reconcile", "request-approval"]
      actions   = ["iam:GetAccountAuthorizationDetails"]
      resources = ["*"]
    },
    { functions = local.whole, actions = ["iam:ListUsers"], resources = ["*"] },
    { functions = ["delete-all-artifacts", "disable", "discover"], actions = ["iam:ListVirtualMFADevices"], resources = ["*"] },
    {
      functions = local.detailed
      resources = [local.every_user]
      actions = [
        "iam:GetAccessKeyLastUsed", "iam:GetLoginProfile", "iam:GetUser", "iam:ListAccessKeys", "iam:ListMFADevices", "iam:ListSSHPublicKeys",
        "iam:ListSigningCertificates",
      ]
    },
    # With AllUsers=true the call names no user; on which resource IAM then checks it is not documented.
    { functions = ["delete-all-artifacts", "discover"], actions = ["iam:ListServiceSpecificCredentials"], resources = ["*"] },
    { functions = ["disable", "reconcile", "restore", "wait-soak"], actions = ["iam:ListServiceSpecificCredentials"], resources = [local.every_user] },
    { functions = local.whole, actions = ["iam:GetUserPolicy", "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser", "iam:ListUserPolicies"], resources = [local.every_user] },
    { functions = ["disable"], actions = ["iam:GetSSHPublicKey"], resources = [local.every_user] },

    # Disabling, and putting back.
    { functions = ["delete-all-artifacts", "disable"], actions = ["iam:PutUserPolicy"], resources = [local.every_user] },
    { functions = ["delete-all-artifacts", "disable"], actions = ["iam:AttachUserPolicy"], resources = [local.every_user], condition = local.deny_all },
    { functions = ["disable", "restore"], actions = ["iam:DetachUserPolicy"], resources = [local.every_user], condition = local.deny_all },
    { functions = local.changing, actions = ["iam:DeleteUserPolicy"], resources = [local.every_user] },
    { functions = ["disable", "restore"], actions = ["iam:TagUser", "iam:UntagUser"], resources = [local.every_user], condition = local.our_tag },
    {
      functions = ["disable", "restore"]
      resources = [local.every_user]
      actions   = ["iam:UpdateAccessKey", "iam:UpdateSSHPublicKey", "iam:UpdateServiceSpecificCredential", "iam:UpdateSigningCertificate"]
    },
    { functions = ["delete-all-artifacts", "disable"], actions = ["iam:DeleteLoginProfile"], resources = [local.every_user] },

    # Deleting.
    {
      functions = ["delete-all-artifacts"]
      resources = [local.every_user]
      actions = [
        "iam:DeactivateMFADevice", "iam:DeleteAccessKey", "iam:DeleteSSHPublicKey", "iam:DeleteServiceSpecificCredential",
        "iam:DeleteSigningCertificate", "iam:DeleteUser", "iam:DetachUserPolicy",
      ]
    },
    { functions = ["delete-all-artifacts"], actions = ["iam:DeleteVirtualMFADevice"], resources = [local.every_device] },
    { functions = ["delete-all-artifacts"], actions = ["iam:RemoveUserFromGroup"], resources = [local.every_group] },

    # Evidence of use, and what names a user.
    { functions = distinct(concat(local.trail, local.ownership)), actions = ["account:ListRegions"], resources = ["arn:${var.partition}:account::${var.account}:account"] },
    { functions = local.trail, actions = ["cloudtrail:LookupEvents"], resources = ["*"] },
    {
      functions = local.ownership
      resources = ["*"]
      actions = [
        "kms:ListKeys", "lambda:ListFunctions", "s3:ListAllMyBuckets", "secretsmanager:ListSecrets", "sns:ListTopics", "sqs:ListQueues",
        "tag:GetResources",
      ]
    },
    { functions = local.ownership, actions = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"], resources = ["arn:${var.partition}:kms:*:${var.account}:key/*"] },
    { functions = local.ownership, actions = ["lambda:GetPolicy"], resources = ["arn:${var.partition}:lambda:*:${var.account}:function:*"] },
    { functions = local.ownership, actions = ["s3:GetBucketLocation", "s3:GetBucketPolicy"], resources = ["arn:${var.partition}:s3:::*"] },
    { functions = local.ownership, actions = ["secretsmanager:GetResourcePolicy"], resources = ["arn:${var.partition}:secretsmanager:*:${var.account}:secret:*"] },
    { functions = local.ownership, actions = ["sns:GetTopicAttributes"], resources = ["arn:${var.partition}:sns:*:${var.account}:*"] },
    { functions = local.ownership, actions = ["sqs:GetQueueAttributes"], resources = ["arn:${var.partition}:sqs:*:${var.account}:*"] },
    { functions = local.ownership, actions = ["ecr:DescribeRepositories", "ecr:GetRepositoryPolicy"], resources = ["arn:${var.partition}:ecr:*:${var.account}:repository/*"] },
  ]
}

# A deployment that cleans up its own account and one more, asks two approvers, and plans by itself every month.
terraform {
  required_version = ">= 1.9.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0.0, < 7.0.0"
    }
  }
}

provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "production"
  region = var.region

  assume_role {
    role_arn = var.production_role_arn
  }
}

module "production" {
  source = "../../modules/member-account"

  providers = { aws = aws.production }

  deployment_account = var.account
  external_id        = var.production_external_id
  protected_paths    = ["/break-glass/"]
  protected_tag_key  = "break-glass"
}

module "iam_sunset" {
  source = "../.."

  packages_dir = var.packages_dir
  mail_from    = "iam-sunset@example.com"
  team_emails  = ["security@example.com"]

  settings = {
    soak             = "21d"
    batch            = 10
    approvals_needed = 2
    approvers = [
      { email = "alice@example.com", principals = ["arn:aws:iam::${var.account}:role/Alice"] },
      { email = "bob@example.com", principals = ["arn:aws:iam::${var.account}:role/Bob"] },
    ]
    exemptions = [
      { name = "terraform-*", reason = "the platform's own pipelines", expires = "2027-12-31" },
    ]
    closed_regions = [{ region = "ap-southeast-4", reason = "a service control policy denies it" }]
    windows        = [{ days = ["mon", "tue", "wed", "thu"], from = "09:00", to = "15:00", zone = "Europe/Berlin" }]
    office_hours   = [{ days = ["mon", "tue", "wed", "thu", "fri"], from = "09:00", to = "17:00", zone = "Europe/Berlin" }]
    accounts       = [merge(module.production.account, { external_id = var.production_external_id })]
  }

  schedule = {
    expression = "cron(0 6 1 * ? *)"
    timezone   = "Europe/Berlin"
  }

  evidence_retention_days = 2555
  protected_paths         = ["/break-glass/"]
  protected_tag_key       = "break-glass"
  own_principals          = ["arn:aws:iam::${var.account}:user/pipelines/iam-sunset"]
  permissions_boundary    = "arn:aws:iam::${var.account}:policy/workloads"
  tags                    = { service = "iam-sunset" }
}

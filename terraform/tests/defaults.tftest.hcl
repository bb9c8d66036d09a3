# Nothing is asked of AWS here, and the functions' packages need not be there.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

override_module {
  target = module.function
  outputs = {
    function_name    = "iam-sunset-function"
    qualified_arn    = "arn:aws:lambda:eu-central-1:111122223333:function:iam-sunset-function:1"
    alias_arn        = "arn:aws:lambda:eu-central-1:111122223333:function:iam-sunset-function:live"
    alias_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:iam-sunset-function:live/invocations"
    alias            = "live"
  }
}

variables {
  mail_from = "iam-sunset@example.com"
}

run "nothing_starts_by_itself" {
  command = plan

  assert {
    condition     = length(aws_scheduler_schedule.cleanup) == 0 && length(aws_iam_role.scheduler) == 0
    error_message = "a schedule is there that nobody asked for"
  }
  assert {
    condition     = aws_cloudwatch_event_rule.reconcile.schedule_expression == "rate(1 hour)"
    error_message = "reconcile does not run hourly"
  }
}

run "evidence_is_locked" {
  command = plan

  assert {
    condition     = aws_s3_bucket.evidence.object_lock_enabled
    error_message = "the evidence has no lock"
  }
  assert {
    condition     = one(one(aws_s3_bucket_object_lock_configuration.evidence.rule).default_retention).mode == "COMPLIANCE" && one(one(aws_s3_bucket_object_lock_configuration.evidence.rule).default_retention).days == 400
    error_message = "the lock is not COMPLIANCE for 400 days"
  }
}

run "settings_are_the_documented_defaults" {
  command = plan

  assert {
    condition = jsondecode(aws_s3_object.settings.content) == {
      unused  = "90d", min_age = "30d", soak = "14d", batch = 20, notice = "3d", approval_open = "14d", cap_percent = 20, disable = "quarantine",
      final   = "delete", approvers = [], approvals_needed = 1, exemptions = [], accept_unknown = [], accept_unread = [], closed_regions = [],
      windows = [], office_hours = [], team = ""
    }
    error_message = "the settings are not the defaults of docs/settings.md"
  }
}

run "what_is_protected_is_exempt_too" {
  command = plan

  variables {
    protected_paths   = ["/break-glass/"]
    protected_tag_key = "break-glass"
    settings          = { exemptions = [{ path = "/ops/", reason = "operations" }, { path = "/until/", reason = "a while", expires = "2027-01-31" }] }
  }

  assert {
    condition     = join(" ", jsondecode(aws_s3_object.settings.content).exemptions[*].path) == "/ops/ /until/ /break-glass/ "
    error_message = "protected users are not exempt"
  }
  assert {
    condition     = jsondecode(aws_s3_object.settings.content).exemptions[3].tag == "break-glass"
    error_message = "protected users by tag are not exempt"
  }
  assert {
    condition = alltrue([for p in aws_iam_role_policy.function : alltrue([
      for path in ["/ops/", "/break-glass/"] : strcontains(p.policy, "arn:aws:iam::111122223333:user${path}*")
    ])])
    error_message = "a role may change users under a protected path"
  }
  assert {
    condition     = alltrue([for p in aws_iam_role_policy.function : !strcontains(p.policy, "/until/")])
    error_message = "an exemption that ends became a permission that doesn't"
  }
  assert {
    condition     = alltrue([for p in aws_iam_role_policy.function : strcontains(p.policy, "aws:ResourceTag/break-glass")])
    error_message = "a role may change users with the protected tag"
  }
}

run "a_schedule_plans_and_tells" {
  command = plan

  variables {
    schedule = { expression = "cron(0 6 1 * ? *)" }
  }

  assert {
    condition     = jsondecode(jsondecode(local.scheduled_start).Input) == { dry_run = true, starter = "arn:aws:iam::111122223333:role/iam-sunset-scheduler" }
    error_message = "a scheduled cleanup is more than a dry run"
  }
  assert {
    condition     = strcontains(one(aws_scheduler_schedule.cleanup[0].target).input, "\"Name\":\"scheduled-<aws.scheduler.execution-id>\"")
    error_message = "the keyword is not as EventBridge Scheduler looks for it"
  }
}

run "a_schedule_starts_where_it_is_told_to" {
  command = plan

  variables {
    schedule = { expression = "rate(30 days)", mode = "start" }
    settings = { approvers = [{ email = "alice@example.com" }] }
  }

  assert {
    condition     = jsondecode(jsondecode(local.scheduled_start).Input) == { starter = "arn:aws:iam::111122223333:role/iam-sunset-scheduler" }
    error_message = "the scheduled cleanup is not the one that was asked for"
  }
}

run "mail_is_sent_by_the_identity_that_is_named" {
  command = plan

  variables {
    mail_identity        = "mail.example.org"
    create_mail_identity = true
  }

  assert {
    condition     = aws_sesv2_email_identity.this[0].email_identity == "mail.example.org"
    error_message = "another identity is made"
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.function["reconcile"].policy, "arn:aws:ses:eu-central-1:111122223333:identity/mail.example.org")
    error_message = "reconcile may not send by it"
  }
}

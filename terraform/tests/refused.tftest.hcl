# What can't be right is refused before anything is made.
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

run "a_soak_of_three_days" {
  command = plan

  variables {
    settings = { soak = "3d" }
  }

  expect_failures = [var.settings]
}

run "a_soak_in_hours_that_is_too_short" {
  command = plan

  variables {
    settings = { soak = "100h" }
  }

  expect_failures = [var.settings]
}

run "a_soak_longer_than_an_execution" {
  command = plan

  variables {
    settings = { soak = "301d" }
  }

  expect_failures = [var.settings]
}

run "a_duration_without_a_unit" {
  command = plan

  variables {
    settings = { notice = "3" }
  }

  expect_failures = [var.settings]
}

run "an_empty_batch" {
  command = plan

  variables {
    settings = { batch = 0 }
  }

  expect_failures = [var.settings]
}

run "a_cap_over_everybody" {
  command = plan

  variables {
    settings = { cap_percent = 101 }
  }

  expect_failures = [var.settings]
}

run "a_way_to_disable_that_is_unknown" {
  command = plan

  variables {
    settings = { disable = "delete" }
  }

  expect_failures = [var.settings]
}

run "an_end_that_is_unknown" {
  command = plan

  variables {
    settings = { final = "archive" }
  }

  expect_failures = [var.settings]
}

run "an_approver_without_an_address" {
  command = plan

  variables {
    settings = { approvers = [{ email = "alice" }] }
  }

  expect_failures = [var.settings]
}

run "an_approver_with_a_name_in_the_address" {
  command = plan

  variables {
    settings = { approvers = [{ email = "Alice <alice@example.com>" }] }
  }

  expect_failures = [var.settings]
}

run "an_approver_named_twice" {
  command = plan

  variables {
    settings = { approvers = [{ email = "alice@example.com" }, { email = "Alice@example.com" }] }
  }

  expect_failures = [var.settings]
}

run "an_approver_whose_principal_is_no_arn" {
  command = plan

  variables {
    settings = { approvers = [{ email = "alice@example.com", principals = ["alice"] }] }
  }

  expect_failures = [var.settings]
}

run "more_approvals_than_approvers" {
  command = plan

  variables {
    settings = { approvers = [{ email = "alice@example.com" }], approvals_needed = 2 }
  }

  expect_failures = [var.settings]
}

run "an_exemption_without_a_reason" {
  command = plan

  variables {
    settings = { exemptions = [{ name = "ops-*", reason = " " }] }
  }

  expect_failures = [var.settings]
}

run "an_exemption_of_nobody" {
  command = plan

  variables {
    settings = { exemptions = [{ reason = "because" }] }
  }

  expect_failures = [var.settings]
}

run "an_exemption_that_ends_on_no_day" {
  command = plan

  variables {
    settings = { exemptions = [{ name = "ops-*", reason = "because", expires = "soon" }] }
  }

  expect_failures = [var.settings]
}

run "a_team_without_an_address" {
  command = plan

  variables {
    settings = { team = "security" }
  }

  expect_failures = [var.settings]
}

run "an_account_of_eleven_digits" {
  command = plan

  variables {
    settings = { accounts = [{ id = "11112222333", external_id = "secret", roles = { read = "arn:aws:iam::11112222333:role/r", change = "arn:aws:iam::11112222333:role/c", delete = "arn:aws:iam::11112222333:role/d" } }] }
  }

  expect_failures = [var.settings]
}

run "an_account_with_another_ones_role" {
  command = plan

  variables {
    settings = { accounts = [{ id = "444455556666", external_id = "secret", roles = { read = "arn:aws:iam::444455556666:role/r", change = "arn:aws:iam::777788889999:role/c", delete = "arn:aws:iam::444455556666:role/d" } }] }
  }

  expect_failures = [var.settings]
}

run "an_account_without_an_external_id" {
  command = plan

  variables {
    settings = { accounts = [{ id = "444455556666", external_id = "", roles = { read = "arn:aws:iam::444455556666:role/r", change = "arn:aws:iam::444455556666:role/c", delete = "arn:aws:iam::444455556666:role/d" } }] }
  }

  expect_failures = [var.settings]
}

run "a_schedule_that_starts_without_approvers" {
  command = plan

  variables {
    schedule = { expression = "rate(30 days)", mode = "start" }
  }

  expect_failures = [var.schedule]
}

run "evidence_that_goes_before_its_case_ends" {
  command = plan

  variables {
    evidence_retention_days = 90
    settings                = { soak = "80d" }
  }

  expect_failures = [var.evidence_retention_days]
}

# A variable each: all of them have to be refused.
run "many_at_once" {
  command = plan

  variables {
    schedule                = { expression = "monthly" }
    evidence_retention_days = 30
    log_retention_days      = 100
    mail_from               = "iam-sunset"
    mail_identity           = "example"
    team_emails             = ["security"]
    permissions_boundary    = "arn:aws:iam::111122223333:role/workloads"
    protected_paths         = ["ops"]
    protected_tag_key       = "break-glass=yes"
    own_principals          = ["deployer"]
    name_prefix             = "IAM_Sunset"
    architecture            = "riscv64"
    reserved_concurrency    = { delete = 1 }
    api_throttle            = { rate = 0 }
    alarm_actions           = ["pager"]
  }

  expect_failures = [
    var.schedule, var.evidence_retention_days, var.log_retention_days, var.mail_from, var.mail_identity, var.team_emails, var.permissions_boundary,
    var.protected_paths, var.protected_tag_key, var.own_principals, var.name_prefix, var.architecture, var.reserved_concurrency, var.api_throttle,
    var.alarm_actions,
  ]
}

run "many_more_at_once" {
  command = plan

  variables {
    schedule             = { expression = "rate(30 days)", mode = "delete" }
    protected_paths      = ["/"]
    reserved_concurrency = { delete-all-artifacts = 0 }
    name_prefix          = "a-name-longer-than-a-bucket-can-have"
  }

  expect_failures = [var.schedule, var.protected_paths, var.reserved_concurrency, var.name_prefix]
}

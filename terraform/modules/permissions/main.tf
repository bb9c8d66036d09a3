# Policies for functions, as text. Nothing is made here: the root module gives them to the functions' roles, and
# modules/member-account to the roles by which functions act in another account, so that both allow the same.
locals {
  functions = [
    "approval-web", "check-ownership", "crosscheck-cloudtrail", "delete-all-artifacts", "disable", "discover", "log", "open-cases",
    "reconcile", "request-approval", "restore", "wait-soak",
  ]

  reading = ["iam:Generate*", "iam:Get*", "iam:List*"]
  denies = concat(
    [{
      Sid       = "KeepOff"
      Effect    = "Deny"
      NotAction = local.reading
      Resource = concat(
        ["arn:${var.partition}:iam::${var.account}:role/${var.name_prefix}-*", "arn:${var.partition}:iam::${var.account}:policy/${var.name_prefix}-*"],
        [for path in var.protected_paths : "arn:${var.partition}:iam::${var.account}:user${path}*"],
        var.own_principals,
      )
    }],
    [for key in compact([var.protected_tag_key]) : {
      Sid       = "KeepOffTagged"
      Effect    = "Deny"
      NotAction = local.reading
      Resource  = [local.every_user]
      Condition = { Null = { "aws:ResourceTag/${key}" = "false" } }
    }],
  )

  # Conditions differ in form, so that they travel as text.
  grants = [
    for g in concat(local.account_grants, var.grants) : {
      functions = g.functions
      effect    = try(g.effect, "Allow")
      actions   = g.actions
      resources = g.resources
      condition = try(g.condition, "{}")
      key       = jsonencode([try(g.effect, "Allow"), g.resources, try(g.condition, "{}")])
    }
  ]

  sets = merge({ for f in local.functions : f => [f] }, var.groups)

  # Grants on the same resources under the same condition become one statement.
  statements = {
    for name, functions in local.sets : name => [
      for key in distinct([for g in local.grants : g.key if length(setintersection(g.functions, functions)) > 0]) : merge(
        {
          Effect   = jsondecode(key)[0]
          Resource = jsondecode(key)[1]
          Action   = sort(distinct(flatten([for g in local.grants : g.actions if g.key == key && length(setintersection(g.functions, functions)) > 0])))
        },
        jsondecode(key)[2] == "{}" ? {} : { Condition = jsondecode(jsondecode(key)[2]) },
      )
    ]
  }
}

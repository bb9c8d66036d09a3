variable "name_prefix" {
  description = "Begins the name of everything that is made. Two deployments in one account and region need two."
  type        = string
  default     = "iam-sunset"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix: write 3 to 24 small letters, digits and hyphens, beginning with a letter: bucket names are made of it."
  }
}

variable "settings" {
  description = "What docs/settings.md calls settings, field by field. Functions read them live, so that a change is in force with the next thing that they do."
  type = object({
    unused        = optional(string, "90d")
    min_age       = optional(string, "30d")
    soak          = optional(string, "14d")
    batch         = optional(number, 20)
    notice        = optional(string, "3d")
    approval_open = optional(string, "14d")
    cap_percent   = optional(number, 20)
    disable       = optional(string, "quarantine")
    final         = optional(string, "delete")
    approvers = optional(list(object({
      email      = string
      principals = optional(list(string), [])
    })), [])
    approvals_needed = optional(number, 1)
    exemptions = optional(list(object({
      name    = optional(string, "")
      path    = optional(string, "")
      tag     = optional(string, "")
      reason  = string
      expires = optional(string, "")
    })), [])
    accept_unknown = optional(list(string), [])
    accept_unread  = optional(list(string), [])
    closed_regions = optional(list(object({
      region = string
      reason = string
    })), [])
    windows = optional(list(object({
      days = optional(list(string), [])
      from = string
      to   = string
      zone = optional(string, "")
    })), [])
    office_hours = optional(list(object({
      days = optional(list(string), [])
      from = string
      to   = string
      zone = optional(string, "")
    })), [])
    team = optional(string, "")
    owners = optional(list(object({
      name  = optional(string, "")
      path  = optional(string, "")
      tag   = optional(string, "")
      email = string
    })), [])
    owner_domains = optional(list(string), [])
    sign_in = optional(object({
      issuer    = string
      client_id = string
    }))
    messages = optional(map(object({
      subject = optional(string, "")
      text    = optional(string, "")
    })))
    accounts = optional(list(object({
      id          = string
      external_id = string
      roles = object({
        read   = string
        change = string
        delete = string
      })
    })), [])
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for d in [var.settings.unused, var.settings.min_age, var.settings.soak, var.settings.notice, var.settings.approval_open] :
      can(regex("^[0-9]+[dhms]$", d))
    ])
    error_message = "settings: unused, min_age, soak, notice and approval_open are a whole number and a unit, such as 90d or 12h."
  }
  validation {
    condition = !can(regex("^[0-9]+[dhms]$", var.settings.soak)) || (
      tonumber(regex("^[0-9]+", var.settings.soak)) * lookup({ d = 86400, h = 3600, m = 60 }, substr(var.settings.soak, -1, 1), 1) >= 7 * 86400
    )
    error_message = "settings.soak: at least 7d. A weekly job that still needs a user must have the time to be heard."
  }
  validation {
    condition = !can(regex("^[0-9]+[dhms]$", var.settings.soak)) || (
      tonumber(regex("^[0-9]+", var.settings.soak)) * lookup({ d = 86400, h = 3600, m = 60 }, substr(var.settings.soak, -1, 1), 1) <= 300 * 86400
    )
    error_message = "settings.soak: at most 300d, since an execution lives a year."
  }
  validation {
    condition     = var.settings.batch >= 1 && var.settings.batch <= 5000 && floor(var.settings.batch) == var.settings.batch
    error_message = "settings.batch: a whole number of users a day, from 1 to 5000."
  }
  validation {
    condition     = var.settings.cap_percent >= 1 && var.settings.cap_percent <= 100 && floor(var.settings.cap_percent) == var.settings.cap_percent
    error_message = "settings.cap_percent: a whole percentage from 1 to 100."
  }
  validation {
    condition     = contains(["quarantine", "deactivate"], var.settings.disable)
    error_message = "settings.disable: \"quarantine\" or \"deactivate\"."
  }
  validation {
    condition     = contains(["delete", "retain"], var.settings.final)
    error_message = "settings.final: \"delete\" or \"retain\"."
  }
  validation {
    condition     = alltrue([for a in var.settings.approvers : can(regex("^[^@\\s<>,;\"]+@[^@\\s<>,;\"]+\\.[^@\\s<>,;\".]+$", a.email))])
    error_message = "settings.approvers: each email is one plain address, such as alice@example.com."
  }
  validation {
    condition     = length(distinct([for a in var.settings.approvers : lower(a.email)])) == length(var.settings.approvers)
    error_message = "settings.approvers: an address is named twice."
  }
  validation {
    condition     = alltrue([for p in flatten([for a in var.settings.approvers : a.principals]) : can(regex("^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:.+$", p))])
    error_message = "settings.approvers: principals are ARNs of IAM users, roles or role sessions."
  }
  validation {
    condition = var.settings.approvals_needed >= 1 && floor(var.settings.approvals_needed) == var.settings.approvals_needed && (
      length(var.settings.approvers) == 0 || var.settings.approvals_needed <= length(var.settings.approvers)
    )
    error_message = "settings.approvals_needed: a whole number from 1 to as many as there are approvers."
  }
  validation {
    condition     = alltrue([for e in var.settings.exemptions : trimspace(e.reason) != "" && "${e.name}${e.path}${e.tag}" != ""])
    error_message = "settings.exemptions: each says name, path or tag, and why."
  }
  validation {
    condition     = alltrue([for e in var.settings.exemptions : e.path == "" || startswith(e.path, "/")])
    error_message = "settings.exemptions: a path begins with a slash."
  }
  validation {
    condition     = alltrue([for e in var.settings.exemptions : e.expires == "" || can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", e.expires))])
    error_message = "settings.exemptions: expires is a day, such as 2027-01-31."
  }
  validation {
    condition     = var.settings.team == "" || can(regex("^[^@\\s<>,;\"]+@[^@\\s<>,;\"]+\\.[^@\\s<>,;\".]+$", var.settings.team))
    error_message = "settings.team: one plain address, such as security@example.com."
  }
  validation {
    condition     = alltrue([for o in var.settings.owners : "${o.name}${o.path}${o.tag}" != "" && can(regex("^[^@\\s<>,;\"]+@[^@\\s<>,;\"]+\\.[^@\\s<>,;\".]+$", o.email))])
    error_message = "settings.owners: each says name, path or tag, and one plain address, such as alice@example.com."
  }
  validation {
    condition     = alltrue([for d in var.settings.owner_domains : can(regex("^[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$", d))])
    error_message = "settings.owner_domains: domains such as example.com."
  }
  validation {
    condition     = var.settings.sign_in == null || try(can(regex("^https://[^/?#\\s]+[^?#\\s]*$", var.settings.sign_in.issuer)) && var.settings.sign_in.client_id != "", false)
    error_message = "settings.sign_in: the issuer's https address as in its discovery document, and the client_id that it knows the pages by."
  }
  validation {
    condition = alltrue([
      for a in var.settings.accounts : can(regex("^[0-9]{12}$", a.id)) && alltrue([
        for r in values(a.roles) : can(regex("^arn:aws[a-z-]*:iam::${a.id}:role/.+$", r))
      ])
    ])
    error_message = "settings.accounts: id has 12 digits, and each of the three roles is an ARN in that account."
  }
  validation {
    condition = alltrue([
      for a in var.settings.accounts : can(regex("^[A-Za-z0-9_+=,.@:/-]+$", a.external_id)) && length(a.external_id) >= 2 && length(a.external_id) <= 1224
    ])
    error_message = "settings.accounts: external_id has 2 to 1224 letters, digits and _+=,.@:/- characters."
  }
  validation {
    condition     = length(distinct(var.settings.accounts[*].id)) == length(var.settings.accounts)
    error_message = "settings.accounts: an account is named twice."
  }
}

variable "mail_from" {
  description = "Address that messages to approvers and owners come from. SES must have it, or its domain, as a verified identity in this region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@\\s<>,;\"]+@[^@\\s<>,;\"]+\\.[^@\\s<>,;\".]+$", var.mail_from))
    error_message = "mail_from: one plain address, such as iam-sunset@example.com."
  }
}

variable "mail_identity" {
  description = "The SES identity that mail_from is sent by: a domain or an address. Left out, it is the domain of mail_from."
  type        = string
  default     = null

  validation {
    condition     = var.mail_identity == null || can(regex("^[^\\s/:*]+\\.[^\\s/:*]+$", var.mail_identity))
    error_message = "mail_identity: a domain such as example.com, or an address."
  }
}

variable "create_mail_identity" {
  description = "Whether to make the SES identity. Its owner still has to publish the DNS records, or to click the link, that SES asks for."
  type        = bool
  default     = false
  nullable    = false
}

variable "team_emails" {
  description = "Addresses subscribed to the team's topic. Each has to confirm, and everybody who gets a message can unsubscribe that address: prefer a queue or a chat hook of your own."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for e in var.team_emails : can(regex("^[^@\\s<>,;\"]+@[^@\\s<>,;\"]+\\.[^@\\s<>,;\".]+$", e))])
    error_message = "team_emails: plain addresses, such as security@example.com."
  }
}

variable "schedule" {
  description = "When a cleanup starts by itself, as an EventBridge Scheduler expression. Mode dry-run plans and tells, start opens cases. Left out, nothing starts by itself."
  type = object({
    expression = string
    timezone   = optional(string, "UTC")
    mode       = optional(string, "dry-run")
  })
  default = null

  validation {
    condition     = var.schedule == null || can(regex("^(rate|cron)\\(.+\\)$", var.schedule.expression))
    error_message = "schedule.expression: such as cron(0 6 1 * ? *) or rate(30 days)."
  }
  validation {
    condition     = var.schedule == null || contains(["dry-run", "start"], try(var.schedule.mode, ""))
    error_message = "schedule.mode: \"dry-run\" or \"start\"."
  }
  validation {
    condition     = var.schedule == null || try(var.schedule.mode, "") != "start" || length(var.settings.approvers) > 0
    error_message = "schedule.mode: \"start\" disables users, and without settings.approvers nobody could decide on them."
  }
}

variable "sign_in_client_secret" {
  description = "The client's secret at the provider of settings.sign_in; left out where the pages are a public client. It is kept in approval-web's environment and in Terraform's state."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.sign_in_client_secret == null || try(length(var.sign_in_client_secret) > 0, false)
    error_message = "sign_in_client_secret: leave it out rather than empty."
  }
}

variable "evidence_retention_days" {
  description = "How long S3 keeps every plan, snapshot and record from being deleted or changed by anybody, the account's root included. It can be raised later and never lowered for what is there."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.evidence_retention_days >= 90 && var.evidence_retention_days <= 36500 && floor(var.evidence_retention_days) == var.evidence_retention_days
    error_message = "evidence_retention_days: whole days, at least 90."
  }
  validation {
    condition = var.evidence_retention_days * 86400 >= 86400 * 30 + sum([
      for d in [var.settings.notice, var.settings.soak, var.settings.approval_open] :
      try(tonumber(regex("^[0-9]+", d)) * lookup({ d = 86400, h = 3600, m = 60 }, substr(d, -1, 1), 1), 0)
    ])
    error_message = "evidence_retention_days: at least 30 days more than notice, soak and approval_open together, or evidence could go before its case has ended."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the functions', the state machine's and the API's logs. Evidence is not in them."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of the numbers of days that CloudWatch knows, such as 90, 365 or 400."
  }
}

variable "own_principals" {
  description = "ARNs of IAM users that belong to this deployment, such as its pipeline's. No cleanup ever touches them, and no role here may."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for p in var.own_principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/.+$", p))])
    error_message = "own_principals: ARNs of IAM users or roles."
  }
}

variable "protected_paths" {
  description = "Paths of users that are exempt and that, beyond that, no role here has the permission to change. Exemptions by nothing but a path, without an end, are protected in the same way."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for p in var.protected_paths : can(regex("^/[^*?]+/$", p))])
    error_message = "protected_paths: paths that begin and end with a slash, such as /break-glass/."
  }
}

variable "protected_tag_key" {
  description = "Key of a tag; users that carry it are exempt and, beyond that, no role here has the permission to change them."
  type        = string
  default     = null

  validation {
    condition     = var.protected_tag_key == null || can(regex("^[A-Za-z0-9_.:/+@-]{1,128}$", var.protected_tag_key))
    error_message = "protected_tag_key: a tag key such as break-glass, without spaces or an equals sign."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that becomes the permissions boundary of every role that is made. It has to allow what the roles do, KMS included."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary: the ARN of a managed policy."
  }
}

variable "packages_dir" {
  description = "Folder with one zip a function, as make package leaves it. Left out, it is dist beside this module."
  type        = string
  default     = null
}

variable "architecture" {
  description = "What the packages were compiled for: arm64 or amd64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "architecture: \"arm64\" or \"amd64\"."
  }
}

variable "reserved_concurrency" {
  description = "How many of a function may run at once, by its name. An account that has no concurrency to spare takes {}."
  type        = map(number)
  default = {
    crosscheck-cloudtrail = 1
    reconcile             = 1
    wait-soak             = 10
    delete-all-artifacts  = 10
  }
  nullable = false

  validation {
    condition = alltrue([for name in keys(var.reserved_concurrency) : contains([
      "approval-web", "check-ownership", "crosscheck-cloudtrail", "delete-all-artifacts", "disable", "discover", "log", "open-cases",
      "reconcile", "request-approval", "restore", "wait-soak",
    ], name)])
    error_message = "reserved_concurrency: there is no function of one of these names."
  }
  validation {
    condition     = alltrue([for n in values(var.reserved_concurrency) : n >= 1 && floor(n) == n])
    error_message = "reserved_concurrency: at least 1 each; with 0 a function never runs."
  }
}

variable "api_throttle" {
  description = "Requests a second, and in a burst, that the approval pages' API lets through."
  type = object({
    rate  = optional(number, 10)
    burst = optional(number, 20)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.api_throttle.rate >= 1 && var.api_throttle.burst >= 1
    error_message = "api_throttle: at least 1 each."
  }
}

variable "alarm_actions" {
  description = "ARNs that alarms tell beside the team's topic."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for a in var.alarm_actions : startswith(a, "arn:")])
    error_message = "alarm_actions: ARNs."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deployment_account" {
  description = "Account in which IAM Sunset is deployed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.deployment_account))
    error_message = "deployment_account: 12 digits."
  }
}

variable "external_id" {
  description = "What the deployment says when it takes on the roles, as its settings have it: one random text for each account."
  type        = string
  sensitive   = true
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@:/-]+$", var.external_id)) && length(var.external_id) >= 2 && length(var.external_id) <= 1224
    error_message = "external_id: 2 to 1224 letters, digits and _+=,.@:/- characters."
  }
}

variable "name_prefix" {
  description = "The deployment's name_prefix. It begins the names of its functions' roles, and of the roles here."
  type        = string
  default     = "iam-sunset"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix: 3 to 24 small letters, digits and hyphens, beginning with a letter."
  }
}

variable "read_only" {
  description = "Whether to make the role that reads alone: cleanups of the account can then be planned, and nobody be disabled."
  type        = bool
  default     = false
  nullable    = false
}

variable "own_principals" {
  description = "ARNs of users and roles of this account that no role here may change."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for p in var.own_principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/.+$", p))])
    error_message = "own_principals: ARNs of IAM users or roles."
  }
}

variable "protected_paths" {
  description = "Paths of users that no role here may change. Exempt them in the deployment's settings too, or their cases fail."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for p in var.protected_paths : can(regex("^/[^*?]+/$", p))])
    error_message = "protected_paths: paths that begin and end with a slash, such as /break-glass/."
  }
}

variable "protected_tag_key" {
  description = "Key of a tag; users that carry it no role here may change. Exempt them in the deployment's settings too."
  type        = string
  default     = null

  validation {
    condition     = var.protected_tag_key == null || can(regex("^[A-Za-z0-9_.:/+@-]{1,128}$", var.protected_tag_key))
    error_message = "protected_tag_key: a tag key such as break-glass, without spaces or an equals sign."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that becomes the permissions boundary of the roles."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary: the ARN of a managed policy."
  }
}

variable "tags" {
  description = "Tags of the roles."
  type        = map(string)
  default     = {}
  nullable    = false
}

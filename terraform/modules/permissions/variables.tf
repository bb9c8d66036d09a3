variable "partition" {
  description = "AWS partition, such as aws."
  type        = string
  nullable    = false
}

variable "account" {
  description = "Account whose users are cleaned up."
  type        = string
  nullable    = false
}

variable "name_prefix" {
  description = "Begins the names of the product's own roles and policies in the account, which no role may change."
  type        = string
  nullable    = false
}

variable "own_principals" {
  description = "ARNs of users and roles that no role may change."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "protected_paths" {
  description = "Paths of users that no role may change."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "protected_tag_key" {
  description = "Tag key of users that no role may change; null for none."
  type        = string
  default     = null
}

variable "groups" {
  description = "Sets of functions, by name, for which a policy of all that any of them may do is wanted beside each function's own."
  type        = map(list(string))
  default     = {}
  nullable    = false
}

variable "grants" {
  description = "More that functions may do, or may never do: statements with the functions that they are for."
  type = list(object({
    functions = list(string)
    effect    = optional(string, "Allow")
    actions   = list(string)
    resources = list(string)
    condition = optional(string, "{}")
  }))
  default  = []
  nullable = false
}

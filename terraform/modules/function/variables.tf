variable "name" {
  description = "Name of the function and, under /aws/lambda/, of its log group."
  type        = string
  nullable    = false
}

variable "description" {
  description = "What the function does, in one sentence."
  type        = string
  nullable    = false
}

variable "role_arn" {
  description = "The role as which the function runs."
  type        = string
  nullable    = false
}

variable "package" {
  description = "Path of the zip with the executable bootstrap in it."
  type        = string
  nullable    = false
}

variable "architecture" {
  description = "arm64 or amd64: what the package was compiled for."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "architecture: \"arm64\" or \"amd64\"."
  }
}

variable "memory" {
  description = "MB."
  type        = number
  nullable    = false

  validation {
    condition     = var.memory >= 128 && var.memory <= 10240
    error_message = "memory: from 128 to 10240 MB."
  }
}

variable "timeout" {
  description = "Seconds after which Lambda ends a call. Handlers stop by themselves before."
  type        = number
  nullable    = false

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900
    error_message = "timeout: from 1 to 900 seconds."
  }
}

variable "reserved_concurrency" {
  description = "How many calls may run at once; null reserves and limits nothing."
  type        = number
  default     = null
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
  nullable    = false
}

variable "alias" {
  description = "Name of the alias that points to the newest version."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the log."
  type        = number
  nullable    = false
}

variable "log_key_arn" {
  description = "ARN of the KMS key of the log."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
  nullable    = false
}

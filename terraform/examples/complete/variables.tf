variable "region" {
  description = "Where the deployment is."
  type        = string
  default     = "eu-central-1"
}

variable "account" {
  description = "The deployment's own account."
  type        = string
}

variable "production_role_arn" {
  description = "Role by which Terraform acts in the other account."
  type        = string
}

variable "production_external_id" {
  description = "What the deployment says when it acts in the other account: a random text, known to both sides."
  type        = string
}

variable "packages_dir" {
  description = "Folder with the functions' zips; left out, where make package leaves them."
  type        = string
  default     = null
}

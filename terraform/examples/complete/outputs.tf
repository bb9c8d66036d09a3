output "deployment" {
  description = "For the iam-sunset command: terraform output -json deployment > iam-sunset.json"
  value       = module.iam_sunset.deployment
}

output "operator_policy_json" {
  description = "Policy for people who run the iam-sunset command."
  value       = module.iam_sunset.operator_policy_json
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "qualified_arn" {
  description = "ARN of the newest version."
  value       = aws_lambda_function.this.qualified_arn
}

output "alias_arn" {
  description = "ARN of the alias."
  value       = aws_lambda_alias.this.arn
}

output "alias_invoke_arn" {
  description = "ARN by which API Gateway calls the alias."
  value       = aws_lambda_alias.this.invoke_arn
}

output "alias" {
  description = "Name of the alias."
  value       = aws_lambda_alias.this.name
}

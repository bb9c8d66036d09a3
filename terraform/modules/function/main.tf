resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  function_name                  = var.name
  description                    = var.description
  role                           = var.role_arn
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  handler                        = "bootstrap"
  runtime                        = "provided.al2023"
  architectures                  = [{ arm64 = "arm64", amd64 = "x86_64" }[var.architecture]]
  memory_size                    = var.memory
  timeout                        = var.timeout
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  # Executions in flight name the version that they began with. Earlier versions stay.
  publish = true
  tags    = var.tags

  environment {
    variables = var.environment
  }

  logging_config {
    log_format = "Text" # the function's own lines are JSON already
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "Active"
  }
}

resource "aws_lambda_alias" "this" {
  name             = var.alias
  description      = "The newest version"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

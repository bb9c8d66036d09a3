locals {
  # GET shows, POST decides. What is not listed here is not served.
  page_routes = [
    "GET /a/{link}", "GET /a/{link}/{request}", "POST /a/{link}/{request}", "GET /a/{link}/{request}/receipt", "GET /a/{link}/{request}/receipt.txt",
    "GET /o/{owner}", "POST /o/{owner}",
    "GET /sign-in/callback", "GET /sign-in/out", "POST /sign-in/out",
    "GET /style.css",
  ]
  signed_routes = ["ANY /v1/{proxy+}"]
}

resource "aws_apigatewayv2_api" "pages" {
  name          = var.name_prefix
  description   = "Where approvers decide and owners object"
  protocol_type = "HTTP"
  tags          = var.tags
}

resource "aws_apigatewayv2_integration" "pages" {
  api_id                 = aws_apigatewayv2_api.pages.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = module.function["approval-web"].alias_invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

# Whoever holds a link is whom it was made for; the function looks it up, and has them sign in where settings say so.
resource "aws_apigatewayv2_route" "pages" {
  for_each = toset(local.page_routes)

  api_id             = aws_apigatewayv2_api.pages.id
  route_key          = each.value
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.pages.id}"
}

# The CLI's, signed with its caller's AWS identity.
resource "aws_apigatewayv2_route" "signed" {
  for_each = toset(local.signed_routes)

  api_id             = aws_apigatewayv2_api.pages.id
  route_key          = each.value
  authorization_type = "AWS_IAM"
  target             = "integrations/${aws_apigatewayv2_integration.pages.id}"
}

resource "aws_cloudwatch_log_group" "pages" {
  name              = "/aws/vendedlogs/apis/${var.name_prefix}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "pages" {
  api_id      = aws_apigatewayv2_api.pages.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_rate_limit  = var.api_throttle.rate
    throttling_burst_limit = var.api_throttle.burst
  }

  # The route's pattern and never the path: a link in a log is a way in for whoever reads it.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.pages.arn
    format = jsonencode({
      request_id          = "$context.requestId"
      at                  = "$context.requestTime"
      route               = "$context.routeKey"
      status              = "$context.status"
      source_ip           = "$context.identity.sourceIp"
      latency_ms          = "$context.responseLatency"
      function_latency_ms = "$context.integrationLatency"
      function_status     = "$context.integrationStatus"
    })
  }
}

resource "aws_lambda_permission" "pages" {
  statement_id  = "pages"
  action        = "lambda:InvokeFunction"
  function_name = module.function["approval-web"].function_name
  qualifier     = module.function["approval-web"].alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.pages.execution_arn}/*/*"
}

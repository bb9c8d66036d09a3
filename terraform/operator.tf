locals {
  # What the iam-sunset command calls, on behalf of the person who runs it.
  operator_statements = [
    {
      Sid       = "Start"
      Effect    = "Allow"
      Action    = "states:StartExecution"
      Resource  = local.machine_arn
      Condition = { "ForAnyValue:StringEquals" = { "states:StateMachineQualifier" = [local.alias] } }
    },
    {
      Sid      = "Watch"
      Effect   = "Allow"
      Action   = "states:ListExecutions"
      Resource = local.machine_arn
    },
    {
      Sid      = "WatchAndStop"
      Effect   = "Allow"
      Action   = ["states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"]
      Resource = local.executions_arn
    },
    {
      Sid       = "ReadCasebook"
      Effect    = "Allow"
      Action    = ["dynamodb:GetItem", "dynamodb:Query"]
      Resource  = local.table_arn
      Condition = { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["announced", "case", "cleanup", "control", "decision", "request"] } }
    },
    {
      Sid       = "PauseAndResume"
      Effect    = "Allow"
      Action    = "dynamodb:PutItem"
      Resource  = local.table_arn
      Condition = { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["case", "control"] } }
    },
    {
      Sid      = "ReadEvidenceAndSettings"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = ["${local.evidence_bucket_arn}/*", "${local.settings_bucket_arn}/${local.settings_key}"]
    },
    {
      Sid      = "ListEvidence"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = local.evidence_bucket_arn
    },
    {
      Sid      = "RecordOperations"
      Effect   = "Allow"
      Action   = "s3:PutObject"
      Resource = "${local.evidence_bucket_arn}/evidence/account/*"
    },
    {
      Sid       = "PublishOperations"
      Effect    = "Allow"
      Action    = "events:PutEvents"
      Resource  = local.bus_arn
      Condition = { StringEquals = { "events:source" = "iam-sunset" } }
    },
    {
      # What could not be published is left for reconcile.
      Sid       = "KeepUnpublished"
      Effect    = "Allow"
      Action    = ["dynamodb:GetItem", "dynamodb:PutItem"]
      Resource  = local.table_arn
      Condition = { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["unsent"] } }
    },
    {
      Sid       = "ReadAndWriteEncrypted"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = aws_kms_key.data.arn
      Condition = { StringEquals = { "kms:ViaService" = [for s in ["dynamodb", "s3"] : "${s}.${local.region}.amazonaws.com"] } }
    },
    {
      Sid       = "ReadExecutions"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = aws_kms_key.executions.arn
      Condition = { StringEquals = { "kms:EncryptionContext:aws:states:stateMachineArn" = local.machine_arn } }
    },
    {
      Sid      = "Rescue"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = local.restore_arn
    },
    {
      Sid      = "Approve"
      Effect   = "Allow"
      Action   = "execute-api:Invoke"
      Resource = "${aws_apigatewayv2_api.pages.execution_arn}/*/*/v1/*"
    },
  ]
}

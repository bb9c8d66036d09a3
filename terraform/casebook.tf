# Cases, cleanups, requests, decisions, links. The partition key is the kind of row, so that a role can be held to the kinds
# that it has to do with; the sort key is the whole key.
resource "aws_dynamodb_table" "casebook" {
  name                        = local.table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "kind"
  range_key                   = "key"
  deletion_protection_enabled = true
  tags                        = var.tags

  attribute {
    name = "kind"
    type = "S"
  }

  attribute {
    name = "key"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.data.arn
  }

  lifecycle {
    prevent_destroy = true
  }
}

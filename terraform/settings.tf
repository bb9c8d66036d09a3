locals {
  # What no role may change is exempt too: otherwise a cleanup would find it eligible and fail on it.
  protected_exemptions = concat(
    [for p in var.protected_paths : { name = "", path = p, tag = "", reason = "users under ${p} are protected by the deployment", expires = "" }],
    [for k in compact([var.protected_tag_key]) : { name = "", path = "", tag = k, reason = "users with the tag ${k} are protected by the deployment", expires = "" }],
  )
  all_settings = merge(var.settings, { exemptions = concat(var.settings.exemptions, local.protected_exemptions) })
  # Functions refuse fields that they don't know, so that one that says nothing is left out: the settings of a release
  # can still be read by the one before it.
  settings = { for name, value in local.all_settings : name => value if value != null && !(contains(["accounts", "owner_domains", "owners"], name) && try(length(value) == 0, false)) }

  protected_paths = distinct(concat(var.protected_paths, [
    for e in var.settings.exemptions : e.path if e.path != "" && "${e.name}${e.tag}${e.expires}" == ""
  ]))
}

resource "aws_s3_bucket" "settings" {
  bucket = local.settings_bucket
  tags   = var.tags
}

resource "aws_s3_bucket_versioning" "settings" {
  bucket = aws_s3_bucket.settings.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "settings" {
  bucket = aws_s3_bucket.settings.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "settings" {
  bucket                  = aws_s3_bucket.settings.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "settings" {
  bucket = aws_s3_bucket.settings.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "settings" {
  bucket = aws_s3_bucket.settings.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyByTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.settings_bucket_arn, "${local.settings_bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.settings]
}

resource "aws_s3_object" "settings" {
  bucket       = aws_s3_bucket.settings.id
  key          = local.settings_key
  content      = jsonencode(local.settings)
  content_type = "application/json"
  kms_key_id   = aws_kms_key.data.arn
  tags         = var.tags

  # A version of before would not be kept.
  depends_on = [aws_s3_bucket_versioning.settings]
}

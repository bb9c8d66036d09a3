output "policies" {
  description = "Policy documents as JSON, by function and by the names of groups."
  value = {
    for name, statements in local.statements : name => jsonencode({
      Version   = "2012-10-17"
      Statement = concat(statements, local.denies)
    })
  }
}

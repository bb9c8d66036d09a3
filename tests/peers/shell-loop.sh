#!/bin/sh
# Deletes unused users as published procedures do it: choose them by the credential report, then, for each, list and delete
# everything that DeleteUser wants gone first, and then the user. It goes on after an error. Usage: shell-loop.sh DAYS
limit=$(date -u -d "$1 days ago" +%Y-%m-%dT%H:%M:%S)
each() { tr '\t' '\n' | grep -v '^None$' | grep .; }

until aws iam get-credential-report --query Content --output text > report.b64 2> report.err; do
  aws iam generate-credential-report > /dev/null
  sleep 2
done

# Times in the report are ISO 8601, so that text compares as time does. "N/A" and "no_information" mean: not used.
base64 -d report.b64 | awk -F, -v limit="$limit" '
  function idle(t) { return t !~ /^[0-9]/ || t < limit }
  NR > 1 && $1 != "<root_account>" && $3 < limit && idle($5) && idle($11) && idle($16) { print $1 }' > chosen

while read -r user; do
  aws iam delete-login-profile --user-name "$user" 2> login.err || grep -q NoSuchEntity login.err || cat login.err >&2
  aws iam list-access-keys --user-name "$user" --query 'AccessKeyMetadata[].AccessKeyId' --output text | each |
    while read -r key; do aws iam delete-access-key --user-name "$user" --access-key-id "$key"; done
  aws iam list-signing-certificates --user-name "$user" --query 'Certificates[].CertificateId' --output text | each |
    while read -r id; do aws iam delete-signing-certificate --user-name "$user" --certificate-id "$id"; done
  aws iam list-ssh-public-keys --user-name "$user" --query 'SSHPublicKeys[].SSHPublicKeyId' --output text | each |
    while read -r id; do aws iam delete-ssh-public-key --user-name "$user" --ssh-public-key-id "$id"; done
  aws iam list-service-specific-credentials --user-name "$user" \
    --query 'ServiceSpecificCredentials[].ServiceSpecificCredentialId' --output text | each |
    while read -r id; do aws iam delete-service-specific-credential --user-name "$user" --service-specific-credential-id "$id"; done
  aws iam list-mfa-devices --user-name "$user" --query 'MFADevices[].SerialNumber' --output text | each |
    while read -r serial; do
      aws iam deactivate-mfa-device --user-name "$user" --serial-number "$serial"
      case $serial in *:mfa/*) aws iam delete-virtual-mfa-device --serial-number "$serial" ;; esac
    done
  aws iam list-user-policies --user-name "$user" --query 'PolicyNames[]' --output text | each |
    while read -r name; do aws iam delete-user-policy --user-name "$user" --policy-name "$name"; done
  aws iam list-attached-user-policies --user-name "$user" --query 'AttachedPolicies[].PolicyArn' --output text | each |
    while read -r arn; do aws iam detach-user-policy --user-name "$user" --policy-arn "$arn"; done
  aws iam list-groups-for-user --user-name "$user" --query 'Groups[].GroupName' --output text | each |
    while read -r group; do aws iam remove-user-from-group --user-name "$user" --group-name "$group"; done
  aws iam delete-user --user-name "$user"
done < chosen

// Package fakecloud is the part of AWS that a deployment keeps its own things in, in memory, over AWS's wire protocol: one
// http.Handler that plain SDK clients use by their endpoint. It refuses what AWS refuses, in AWS's codes and words, and is
// stricter where AWS is lenient, so that a caller that gets along with it has met AWS's refusals. The account that is
// cleaned up is another one: see fakeaws.
//
//	service   operations                                      limits
//	s3        PutObject GetObject HeadObject ListObjectsV2    path style; no multipart, copy, range or aws-chunked bodies;
//	          DeleteObject (always denied)                    pages of 1,000 keys or Bucket.PageSize
//	dynamodb  PutItem GetItem Query                           a table's keys are the strings kind and key, other attributes S
//	                                                          or N; conditions attribute_not_exists(#n) and #n = :v, key
//	                                                          conditions #n = :v and #n = :v AND begins_with(#m, :w);
//	                                                          names only by placeholder; 400 KB an item, 1 MB a page
//	kms       GenerateMac VerifyMac Sign GetPublicKey         keys by ARN; HMAC_256 and ECC_NIST_P256, digests only
//	ses       SendEmail (v2), simple and raw                  senders must be verified
//	sns       Publish                                         256 KB; subjects of 100 ASCII characters
//	events    PutEvents                                       10 entries, 256 KB
//
// Any other operation, parameter or expression is refused and remembered in Unknown. Operations of other services can be
// handed on: see Mount.
//
// Every request must be signed by a principal that AddPrincipal made; its date isn't judged, as callers may live in virtual
// time. Policies aren't: everybody may do everything but delete objects, and Calls says who did what, on what, under the
// names that IAM would judge it by. A bucket's or topic's KMS key shows there too, under the caller's name (Via); what
// DynamoDB and EventBridge ask of KMS does not.
//
// Inferred, not read in AWS's documentation: an event for a bus that isn't there is refused as ResourceNotFoundException;
// the wording of refusals that AWS's pages don't quote.
package fakecloud

// Package fakeaws is one AWS account in memory that speaks AWS's wire protocol over an http.Handler, remembers, and
// refuses what AWS refuses, in AWS's codes and words. Plain aws-sdk-go-v2 clients and the aws CLI use it through
// AWS_ENDPOINT_URL. It is strict on purpose: a caller that gets along with it has met AWS's refusals.
//
// What it is: an Account, served by Serve or Handler, with a clock that is handed in (Config.Now), ids that follow from
// a seed, a log of calls (Calls), faults on demand (Fail, Limit), and people who live by script as the clock moves
// (At). Requests are routed by the service in the signature's scope; the key must be Active and the signature right,
// its date isn't judged. A user's calls are decided by its inline, attached and group policies and its boundary, an
// explicit Deny first; a role's by the role's. An operation that isn't in this table fails with InvalidAction or
// UnknownOperationException and is remembered in UnknownCalls.
//
//	service         reads                                                 writes
//	iam             GenerateCredentialReport GetCredentialReport          CreateUser UpdateUser DeleteUser TagUser UntagUser
//	                GetAccountAuthorizationDetails GetAccountSummary      CreateLoginProfile UpdateLoginProfile DeleteLoginProfile
//	                ListAccountAliases ListUsers GetUser ListUserTags     CreateAccessKey UpdateAccessKey DeleteAccessKey
//	                ListAccessKeys GetAccessKeyLastUsed                   UploadSSHPublicKey UpdateSSHPublicKey DeleteSSHPublicKey
//	                ListSSHPublicKeys GetSSHPublicKey                     UploadSigningCertificate UpdateSigningCertificate
//	                ListSigningCertificates GetLoginProfile               DeleteSigningCertificate
//	                ListServiceSpecificCredentials                        CreateServiceSpecificCredential
//	                ListMFADevices ListVirtualMFADevices                  UpdateServiceSpecificCredential
//	                ListUserPolicies GetUserPolicy                        DeleteServiceSpecificCredential
//	                ListAttachedUserPolicies ListGroupsForUser            CreateVirtualMFADevice EnableMFADevice
//	                ListGroups GetGroup ListRoles GetRole                 DeactivateMFADevice DeleteVirtualMFADevice
//	                GetPolicy GetPolicyVersion ListEntitiesForPolicy      PutUserPolicy DeleteUserPolicy
//	                GenerateServiceLastAccessedDetails                    AttachUserPolicy DetachUserPolicy
//	                GetServiceLastAccessedDetails                         PutUserPermissionsBoundary
//	                                                                      DeleteUserPermissionsBoundary
//	                                                                      CreateGroup DeleteGroup AddUserToGroup
//	                                                                      RemoveUserFromGroup CreatePolicy DeletePolicy
//	                                                                      CreateRole DeleteRole UpdateAssumeRolePolicy
//	sts             GetCallerIdentity GetAccessKeyInfo                    GetSessionToken GetFederationToken AssumeRole
//	cloudtrail      LookupEvents
//	account         ListRegions
//	s3              ListBuckets HeadBucket GetBucketPolicy
//	                GetBucketLocation
//	kms             ListKeys ListAliases DescribeKey GetKeyPolicy         CreateKey PutKeyPolicy CreateGrant
//	                ListGrants GenerateMac VerifyMac
//	sns             ListTopics GetTopicAttributes
//	sqs             ListQueues GetQueueAttributes
//	lambda          ListFunctions GetPolicy
//	secretsmanager  ListSecrets GetResourcePolicy
//	ecr             DescribeRepositories GetRepositoryPolicy
//	tagging         GetResources
//
// Set-up without the wire: AddUser (in the past, with any artifact), AddGroup, AddRole, AddPolicy, SetRoot, SetAlias,
// AddBucket, AddKey, AddTopic, AddQueue, AddFunction, AddSecret, AddRepository, AddTagged; CloseRegion and DisableRegion;
// SetDeliveryDelay and SetLookupRate for CloudTrail. Inspection: User, Users, DeletedUsers,
// VirtualMFADevices, Events. They see the state of now, whatever Config.IAMLag makes the wire show.
//
// People: Join writes a user together with its lives (Dead, Active, Quarterly, TriesItsKey …; see Life), Demo makes a small
// company, Crowd any number. Calls before now are lived when they join, those to come as the clock moves.
//
// Inferred, not read in AWS's documentation: the order in which DeleteUser names what is in the way; the wording of
// refusals that AWS's pages don't quote; that calls with a user's temporary credentials don't move the key's last-used;
// that a throttled call leaves no CloudTrail event; that LookupEvents counts
// its two requests over the second before; how delays of delivery spread; that GetAccountAuthorizationDetails shows only AWS-managed policies
// in use. Left out: policy versions beyond v1, session policies of roles, service control policies, resource policies
// as a source of rights (but for KMSKeySpec.Sealed), conditions beyond strings, ARNs, booleans, dates and Null (an unknown one never allows and
// always denies). AWS-managed policies are a few, shortened.
package fakeaws

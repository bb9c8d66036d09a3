package fakeaws

import (
	"net/url"
	"time"
)

// signInRegions are where CloudTrail records an IAM user's console sign-in.
func signInRegions() []string {
	return []string{"us-east-1", "us-east-2", "eu-north-1", "ap-southeast-2"}
}

// Dead is the reference of a deletion: password, two access keys (one of them Inactive), virtual MFA, two groups, an
// attached and an inline policy; nothing used for more than a year, no event.
func Dead() Life {
	return func(p *person) {
		p.group("developers", awsPolicy("PowerUserAccess"))
		p.group("readers", awsPolicy("ReadOnlyAccess"))
		p.attach("AmazonS3ReadOnlyAccess")
		p.inline("own-bucket", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::`+p.spec.Name+`/*"}]}`)
		p.spec.Password = &PasswordSpec{LastUsed: p.ago(412 * day), LastRotated: p.ago(640 * day)}
		p.spec.Keys = []AccessKeySpec{
			{CreatedAt: p.ago(700 * day), LastUsed: LastUsed{At: p.ago(398 * day), Service: "s3", Region: "eu-west-1"}},
			{CreatedAt: p.ago(720 * day), Status: inactive, LastUsed: LastUsed{At: p.ago(690 * day), Service: "ec2", Region: "us-east-1"}},
		}
		p.spec.MFA = append(p.spec.MFA, MFASpec{Kind: "virtual", EnabledAt: p.ago(640 * day)})
	}
}

// OldKey has one access key and nothing else, last used more than a year ago: a machine that was switched off.
func OldKey() Life {
	return func(p *person) {
		p.attach("AmazonEC2FullAccess")
		p.spec.Keys = []AccessKeySpec{{CreatedAt: p.ago(860 * day), LastUsed: LastUsed{At: p.ago(500 * day), Service: "ec2", Region: "eu-west-1"}}}
	}
}

// NeverUsedKey has an access key, a year old, that nobody ever used.
func NeverUsedKey() Life {
	return func(p *person) {
		p.attach("AmazonDynamoDBFullAccess")
		p.spec.Keys = []AccessKeySpec{{CreatedAt: p.ago(365 * day)}}
	}
}

// NeverSignedIn has a password that nobody ever used.
func NeverSignedIn() Life {
	return func(p *person) {
		p.spec.Password = &PasswordSpec{LastRotated: p.ago(540 * day)}
		p.attach("IAMUserChangePassword")
	}
}

// Active calls EC2 every day with its key and signs in every week: last-used moves, both show in CloudTrail.
func Active() Life {
	return func(p *person) {
		p.spec.Password = &PasswordSpec{LastRotated: p.ago(200 * day)}
		p.spec.MFA = append(p.spec.MFA, MFASpec{Kind: "virtual", EnabledAt: p.ago(300 * day)})
		works(day, 80*day)(p)
		p.then(func() {
			p.habit(p.ago(80*day), 7*day, func() { p.signIn("eu-north-1") })
		})
	}
}

// Pipeline calls with its key every day and has nothing else: CI that works.
func Pipeline() Life { return works(day, 80*day) }

// works calls EC2 with a key, every so often, since then.
func works(every, since time.Duration) Life {
	return func(p *person) {
		p.attach("PowerUserAccess")
		p.spec.Keys = append(p.spec.Keys, AccessKeySpec{CreatedAt: p.ago(300 * day)})
		p.then(func() {
			p.habit(p.ago(since), every, func() { p.call(0, "ec2", "DescribeInstances", "eu-west-1", actOptions{}) })
		})
	}
}

// Quarterly uses its key every 91 days, next at that time, as a job for a quarter's end does: the key looks unused for
// almost all of the time. Each use is an event.
func Quarterly(next time.Time) Life {
	return func(p *person) {
		const quarter = 91 * day
		p.attach("PowerUserAccess")
		p.spec.Keys = append(p.spec.Keys, AccessKeySpec{CreatedAt: p.ago(800 * day)})
		p.then(func() {
			use := func() {
				p.call(0, "ce", "GetCostAndUsage", "us-east-1", actOptions{userAgent: "Boto3/1.40.1"})
			}
			// The last time may be a few days more than 90 ago.
			if last := next.Add(-quarter); !last.After(p.now) {
				p.account.at = last
				use()
				p.account.at = p.now
			}
			var again func(at time.Time)
			again = func(at time.Time) {
				p.at(at, func() {
					use()
					again(at.Add(quarter))
				})
			}
			again(next)
		})
	}
}

// BedrockOnly has a service-specific credential for Bedrock, no password and no key, as Bedrock's console makes it. AWS
// reports no use of it anywhere.
func BedrockOnly() Life {
	return func(p *person) {
		p.attach("AmazonBedrockLimitedAccess")
		p.spec.ServiceCredentials = append(p.spec.ServiceCredentials, ServiceCredentialSpec{ServiceName: "bedrock.amazonaws.com", CreatedAt: p.ago(210 * day)})
	}
}

// SESSender sends mail by SMTP every day with an access key made into an SMTP password. Last-used moves with the service
// ses; CloudTrail has nothing. From quiet on (never where zero) it sends no more.
func SESSender(quiet time.Time) Life {
	return func(p *person) {
		p.inline("AmazonSesSendingAccess", allowing("ses:SendRawEmail"))
		p.spec.Keys = append(p.spec.Keys, AccessKeySpec{CreatedAt: p.ago(700 * day)})
		p.then(func() {
			p.habit(p.ago(120*day), day, func() {
				if quiet.IsZero() || p.account.now().Before(quiet) {
					p.call(0, "ses", "SendRawEmail", "eu-west-1", actOptions{unlogged: true, write: true})
				}
			})
		})
	}
}

// S3Uploader puts objects into S3 every night: last-used moves, but data events aren't in Event History.
func S3Uploader() Life {
	return func(p *person) {
		p.attach("AmazonS3FullAccess")
		p.spec.Keys = append(p.spec.Keys, AccessKeySpec{CreatedAt: p.ago(700 * day)})
		p.then(func() {
			p.habit(p.ago(30*day), day, func() {
				p.call(0, "s3", "PutObject", "eu-west-1", actOptions{write: true, data: true})
			})
		})
	}
}

// RoleHopper only ever assumes a role with its key and works as that: its own events are AssumeRole alone, those that
// follow name the role, with the user's name as session name.
func RoleHopper() Life {
	return func(p *person) {
		r := p.role("workbench")
		p.inline("hop", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+r.arn+`"}]}`)
		p.spec.Keys = append(p.spec.Keys, AccessKeySpec{CreatedAt: p.ago(500 * day)})
		p.then(func() {
			p.habit(p.ago(70*day), 2*day, func() {
				to := url.Values{"RoleArn": {r.arn}, "RoleSessionName": {p.user.name}}
				done := p.account.act(principal{accessKeyID: p.made.Keys[0].AccessKeyID}, "sts", "AssumeRole", "eu-west-1", "", actOptions{params: to})
				if done.err == nil {
					p.asRole(r, "ec2", "DescribeInstances", "eu-west-1")
				}
			})
		})
	}
}

// asRole acts in a session of a role that bears the user's name.
func (p *person) asRole(r *role, service, action, region string) {
	s := p.account.newSession(session{kind: "AssumedRole", name: p.user.name, role: r, expires: p.account.now().Add(time.Hour)})
	p.account.act(principal{accessKeyID: s.accessKeyID}, service, action, region, "", actOptions{})
}

// NameInSessions has somebody else's role sessions bear the user's name, every week: events that a look-up by Username
// finds and that aren't the user's.
func NameInSessions() Life {
	return func(p *person) {
		r := p.role("workbench")
		p.then(func() {
			p.habit(p.ago(60*day), 7*day, func() { p.asRole(r, "ec2", "DescribeVolumes", "us-east-1") })
		})
	}
}

// SignsIn has a password only and signs in every five days: PasswordLastUsed moves, ConsoleLogin shows, each time in
// another of the regions that record it.
func SignsIn() Life {
	return func(p *person) {
		p.spec.Password = &PasswordSpec{LastRotated: p.ago(150 * day)}
		p.attach("job-function/ViewOnlyAccess")
		n := 0
		p.then(func() {
			p.habit(p.ago(75*day), 5*day, func() {
				p.signIn(signInRegions()[n%len(signInRegions())])
				n++
			})
		})
	}
}

// AWSLogin works with sessions of `aws login`: the user's own identity, temporary keys, no access key. Its calls show as
// the user's in CloudTrail; no last-used of a key moves. Its password's does where fresh is true; otherwise the
// sign-in lies 100 days back and the sessions are renewed (inferred).
func AWSLogin(fresh bool) Life {
	return func(p *person) {
		p.spec.Password = &PasswordSpec{LastUsed: p.ago(100 * day), LastRotated: p.ago(400 * day)}
		p.attach("PowerUserAccess")
		p.then(func() {
			p.habit(p.ago(50*day), 3*day, func() {
				if fresh {
					p.signIn("us-east-1")
				}
				s := p.account.newSession(session{kind: "IAMUser", user: p.user, expires: p.account.now().Add(12 * time.Hour)})
				p.account.act(principal{accessKeyID: s.accessKeyID}, "lambda", "ListFunctions", "eu-central-1", "", actOptions{})
			})
		})
	}
}

// Federates hands out GetFederationToken credentials every week, with which others call EC2: FederatedUser events that
// name the user as session issuer.
func Federates() Life {
	return func(p *person) {
		p.inline("federate", allowing("sts:GetFederationToken"))
		p.attach("PowerUserAccess")
		p.spec.Keys = append(p.spec.Keys, AccessKeySpec{CreatedAt: p.ago(500 * day)})
		p.then(func() {
			p.habit(p.ago(60*day), 7*day, func() {
				done := p.account.act(principal{accessKeyID: p.made.Keys[0].AccessKeyID}, "sts", "GetFederationToken", "us-east-1", "", actOptions{params: url.Values{"Name": {"kiosk"}}})
				if done.err == nil {
					s := p.account.newSession(session{kind: "FederatedUser", name: "kiosk", user: p.user, expires: p.account.now().Add(time.Hour)})
					p.account.act(principal{accessKeyID: s.accessKeyID}, "ec2", "DescribeInstances", "us-east-1", "", actOptions{})
				}
			})
		})
	}
}

// BreakGlass is kept for an emergency: path and tag say so, password and hardware MFA were never used.
func BreakGlass() Life {
	return func(p *person) {
		p.spec.Path = "/break-glass/"
		Tagged("break-glass", "true")(p)
		p.spec.Password = &PasswordSpec{LastRotated: p.ago(365 * day)}
		p.spec.MFA = append(p.spec.MFA, MFASpec{Kind: "hardware", EnabledAt: p.ago(365 * day)})
		p.attach("AdministratorAccess")
	}
}

// CodeManaged bears the tags of Terraform or CloudFormation: deleted by hand, code makes the user again.
func CodeManaged(tool string) Life {
	return func(p *person) {
		if tool == "cloudformation" {
			Tagged("aws:cloudformation:stack-name", "accounts")(p)
			Tagged("aws:cloudformation:logical-id", "User"+p.spec.Name)(p)
			return
		}
		Tagged("ManagedBy", "terraform")(p)
	}
}

// HardwareMFA adds a hardware token, FIDOKey a security key.
func HardwareMFA() Life {
	return func(p *person) {
		p.spec.MFA = append(p.spec.MFA, MFASpec{Kind: "hardware", EnabledAt: p.ago(600 * day)})
	}
}

// FIDOKey adds a security key.
func FIDOKey() Life {
	return func(p *person) { p.spec.MFA = append(p.spec.MFA, MFASpec{Kind: "u2f", EnabledAt: p.ago(600 * day)}) }
}

// LeftoverMFA leaves a virtual device of the user's name behind that is assigned to nobody.
func LeftoverMFA() Life {
	return func(p *person) { p.spec.MFA = append(p.spec.MFA, MFASpec{Kind: "virtual", Unassigned: true}) }
}

// TooYoung is a user made nine days ago whose password and key nobody has used yet.
func TooYoung() Life {
	return func(p *person) {
		p.spec.CreatedAt = p.ago(9 * day)
		p.spec.Password = &PasswordSpec{LastRotated: p.ago(9 * day)}
		p.spec.Keys = []AccessKeySpec{{CreatedAt: p.ago(9 * day)}}
	}
}

// ThirdParty has the key of a monitoring company, unused since its role took over, and tags that name the company.
func ThirdParty(company string) Life {
	return func(p *person) {
		p.spec.Path = "/integration/"
		Tagged("vendor", company)(p)
		p.attach("SecurityAudit")
		p.spec.Keys = []AccessKeySpec{{CreatedAt: p.ago(800 * day), LastUsed: LastUsed{At: p.ago(300 * day), Service: "cloudwatch", Region: "us-east-1"}}}
	}
}

// SoleInBucketPolicy makes a bucket whose policy names the user and nobody else.
func SoleInBucketPolicy(bucket, region string) Life {
	return func(p *person) {
		p.then(func() {
			policy := resourcePolicy(p.made.ARN, "s3:*", "arn:aws:s3:::"+bucket+"/*")
			p.account.put(&p.account.state.resources.buckets, bucket, region, "arn:aws:s3:::"+bucket, policy)
		})
	}
}

// SoleInKeyPolicy makes a KMS key whose policy lets the account read it and the user alone use it.
func SoleInKeyPolicy(region string) Life {
	return func(p *person) {
		p.then(func() {
			policy := resourcePolicy(p.made.ARN, "kms:*", "*")
			p.account.addKey(KMSKeySpec{Region: region, Policy: policy, Description: "of " + p.spec.Name, Aliases: []string{"alias/" + p.spec.Name}})
		})
	}
}

func resourcePolicy(principal, action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"` + action + `","Resource":"` + resource + `"}]}`
}

package fakeaws

import (
	"fmt"
	"time"
)

// DemoTriesItsKeyAfter is when, after Demo was called, the user DemoDisturbed tries its key: inside a soak of 14 days
// that follows a notice of 3.
const (
	DemoTriesItsKeyAfter = 9 * day
	DemoDisturbed        = "nightly-sync"
)

// Demo makes a small company of 25 users around now: people, machines and leftovers, with owners and teams in tags;
// groups, roles, buckets, keys and policies that name some of them. It returns the users by name.
func (a *Account) Demo() (map[string]NewUser, error) {
	defer a.enter()()
	now := a.now()
	a.state.iam.aliases = []string{"meadowlark"}
	a.state.iam.root = RootSpec{CreatedAt: now.Add(-2900 * day), PasswordLastUsed: now.Add(-160 * day), MFA: true}
	all := map[string]NewUser{}
	err := a.withoutLag(func() error {
		for _, c := range demoCast(now) {
			made, err := a.join(c.name, c.lives...)
			if err != nil {
				return fmt.Errorf("making the demo's company: %w", err)
			}
			all[c.name] = made
		}
		a.demoResources(all)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

type castMember struct {
	name  string
	lives []Life
}

func cast(name, owner, team string, lives ...Life) castMember {
	tags := []Life{Tagged("team", team)}
	if owner != "" {
		tags = append(tags, Tagged("owner", owner+"@example.com"))
	}
	return castMember{name: name, lives: append(tags, lives...)}
}

func demoCast(now time.Time) []castMember {
	return []castMember{
		// In use, each in its own way.
		cast("maria.keller", "maria.keller", "platform", Active(), InGroup("developers")),
		cast("tom.becker", "tom.becker", "platform", Active(), InGroup("developers")),
		cast("aisha.rahman", "aisha.rahman", "finance", SignsIn()),
		cast("jan.novak", "jan.novak", "data", AWSLogin(false)),
		cast("lena.fischer", "lena.fischer", "data", RoleHopper()),
		cast("deploy-web", "maria.keller", "web", Pipeline(), InPath("/ci/")),
		cast("quarterly-billing", "aisha.rahman", "finance", Quarterly(now.Add(11*day)), InPath("/service/")),
		cast("backup-uploader", "tom.becker", "platform", S3Uploader(), InPath("/service/")),
		cast("ses-smtp-user.20240312-101500", "lena.fischer", "web", SESSender(time.Time{})),
		cast("BedrockAPIKey-x7k2", "jan.novak", "data", BedrockOnly()),
		cast("break-glass-admin", "maria.keller", "security", BreakGlass()),
		cast("pia.lund", "tom.becker", "web", TooYoung()),
		cast("terraform-runner", "maria.keller", "platform", OldKey(), CodeManaged("terraform")),
		// What they leave behind.
		cast("peter.maurer", "maria.keller", "platform", Dead()),
		cast("old-jenkins", "tom.becker", "platform", OldKey(), InPath("/ci/")),
		cast("hugo.brandt", "maria.keller", "data", NeverSignedIn(), HardwareMFA(), InGroup("readers")),
		cast("sofia.lindqvist", "lena.fischer", "web", NeverSignedIn(), FIDOKey(), InGroup("developers")),
		cast("intern-2023", "aisha.rahman", "finance", NeverSignedIn(), InGroup("readers")),
		cast("poc-analytics", "jan.novak", "data", NeverUsedKey()),
		cast("karl.weber", "tom.becker", "platform", Dead(), LeftoverMFA(), NameInSessions()),
		cast("report-export", "aisha.rahman", "finance", OldKey(), InPath("/service/")),
		cast("anna.berg", "maria.keller", "web", Dead(), RenamedFrom("anna.schmidt", 40*day)),
		cast("datadog-integration", "tom.becker", "platform", ThirdParty("datadog")),
		cast("legacy-ftp-bridge", "", "web", OldKey(), SoleInBucketPolicy("meadowlark-ftp-inbox", "eu-west-1")),
		cast(DemoDisturbed, "lena.fischer", "data", OldKey(), InPath("/service/"), TriesItsKey(now.Add(DemoTriesItsKeyAfter))),
	}
}

// demoResources are what the company's users stand in beside each other: policies that would still have a living
// principal after a cleanup.
func (a *Account) demoResources(all map[string]NewUser) {
	s := a.state.resources
	two := func(one, other, action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + all[one].ARN + `","` + all[other].ARN + `"]},"Action":"` + action + `","Resource":"*"}]}`
	}
	bucket := func(name, region, policy string) {
		a.put(&s.buckets, name, region, "arn:aws:s3:::"+name, policy)
	}
	bucket("meadowlark-web-assets", "eu-west-1", "")
	bucket("meadowlark-backups", "eu-central-1", resourcePolicy(all["backup-uploader"].ARN, "s3:PutObject", "arn:aws:s3:::meadowlark-backups/*"))
	bucket("meadowlark-reports", "eu-west-1", two("report-export", "quarterly-billing", "s3:*"))
	a.addKey(KMSKeySpec{Region: "eu-west-1", Description: "backups", Aliases: []string{"alias/backups"}})
	a.put(&s.topics, "alarms", "eu-west-1", a.regionalARN("sns", "eu-west-1", "alarms"), "")
	a.put(&s.queues, "jobs", "eu-west-1", a.regionalARN("sqs", "eu-west-1", "jobs"), two("old-jenkins", "deploy-web", "sqs:SendMessage"))
	a.put(&s.repositories, "web", "eu-west-1", a.regionalARN("ecr", "eu-west-1", "repository/web"), "")
	a.addRole(RoleSpec{
		Name: "DatadogIntegrationRole", CreatedAt: a.now().Add(-310 * day), Attached: []string{awsPolicy("SecurityAudit")},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::464622532012:root"},"Action":"sts:AssumeRole",` +
			`"Condition":{"StringEquals":{"sts:ExternalId":"5f1c0e"}}}]}`,
	})
	a.addRole(RoleSpec{
		Name: "web-deployer", CreatedAt: a.now().Add(-800 * day), Attached: []string{awsPolicy("PowerUserAccess")},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + all["deploy-web"].ARN + `","` + all["old-jenkins"].ARN + `"]},"Action":"sts:AssumeRole"}]}`,
	})
	for _, name := range []string{"i-0a1", "i-0b2"} {
		s.tagged = append(s.tagged, taggedResource{
			arn: a.regionalARN("ec2", "eu-west-1", "instance/"+name), region: "eu-west-1", tags: map[string]string{"CreatedBy": "peter.maurer", "team": "platform"},
		})
	}
}

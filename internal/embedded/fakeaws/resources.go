package fakeaws

import (
	"slices"
	"strings"
	"time"
)

// neighbours are the services beside IAM and STS.
func (a *Account) neighbours() []*service {
	a.state.events, a.state.resources = newEventHistory(), &resources{}
	return []*service{
		a.cloudtrailService(), a.accountService(), a.s3Service(), a.kmsService(), a.snsService(), a.sqsService(), a.lambdaService(), a.secretsmanagerService(),
		a.ecrService(), a.taggingService(),
	}
}

// resources are what the account has beside IAM, by region; a slice each, in order of name.
type resources struct {
	buckets, topics, queues, functions, secrets, repositories []*resource
	keys                                                      []*kmsKey
	tagged                                                    []taggedResource
}

// resource is something with a policy of its own.
type resource struct {
	name, region, arn string
	// policy is stored as AWS stores it: users and roles by unique id. Empty is no policy.
	policy    string
	createdAt time.Time
}

func (x *resource) key() string { return x.name }

// put adds a resource, or gives the one of that name and region another policy. A policy names only users who are
// there already: an ARN of nobody stays an ARN.
func (a *Account) put(all *[]*resource, name, region, arn, policy string) string {
	x := find(*all, name, region)
	if x == nil {
		x = &resource{name: name, region: region, arn: arn, createdAt: a.now().AddDate(-1, 0, 0)}
		*all = append(*all, x)
		slices.SortFunc(*all, func(l, r *resource) int { return strings.Compare(l.name, r.name) })
	}
	x.policy = a.principalIDs(policy)
	return x.arn
}

func find(all []*resource, name, region string) *resource {
	for _, x := range all {
		if x.name == name && x.region == region {
			return x
		}
	}
	return nil
}

func inRegion(all []*resource, region string) []*resource {
	return slices.DeleteFunc(slices.Clone(all), func(x *resource) bool { return x.region != region })
}

// afterLast is the name in an ARN or a URL.
func afterLast(s, separator string) string { return s[strings.LastIndex(s, separator)+1:] }

// AddBucket makes a bucket a year old, or changes its policy (none where empty).
func (a *Account) AddBucket(name, region, policy string) {
	defer a.enter()()
	a.put(&a.state.resources.buckets, name, region, "arn:aws:s3:::"+name, policy)
}

// AddTopic makes an SNS topic, or changes its policy, and returns its ARN.
func (a *Account) AddTopic(name, region, policy string) string {
	defer a.enter()()
	return a.put(&a.state.resources.topics, name, region, a.regionalARN("sns", region, name), policy)
}

// AddQueue makes an SQS queue, or changes its policy, and returns its URL.
func (a *Account) AddQueue(name, region, policy string) string {
	defer a.enter()()
	a.put(&a.state.resources.queues, name, region, a.regionalARN("sqs", region, name), policy)
	return a.queueURL(name, region)
}

// AddFunction makes a Lambda function, or changes its policy, and returns its ARN.
func (a *Account) AddFunction(name, region, policy string) string {
	defer a.enter()()
	return a.put(&a.state.resources.functions, name, region, a.regionalARN("lambda", region, "function:"+name), policy)
}

// AddSecret makes a secret, or changes its policy, and returns its ARN.
func (a *Account) AddSecret(name, region, policy string) string {
	defer a.enter()()
	arn := a.regionalARN("secretsmanager", region, "secret:"+name+"-"+a.letters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 6))
	return a.put(&a.state.resources.secrets, name, region, arn, policy)
}

// AddRepository makes an ECR repository, or changes its policy, and returns its ARN.
func (a *Account) AddRepository(name, region, policy string) string {
	defer a.enter()()
	return a.put(&a.state.resources.repositories, name, region, a.regionalARN("ecr", region, "repository/"+name), policy)
}

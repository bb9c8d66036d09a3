package fakeaws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// accessAdvisorJob is one run of GenerateServiceLastAccessedDetails.
type accessAdvisorJob struct {
	// by is the principal who asked: nobody else can read the job.
	by             string
	started, ready time.Time
	services       []serviceAccessedXML
}

type serviceAccessedXML struct {
	ServiceName                string
	LastAuthenticated          *stamp `xml:",omitempty"`
	ServiceNamespace           string
	LastAuthenticatedEntity    string `xml:",omitempty"`
	LastAuthenticatedRegion    string `xml:",omitempty"`
	TotalAuthenticatedEntities int
}

func (a *Account) accessAdvisorOperations() map[string]operation {
	return map[string]operation{
		"GenerateServiceLastAccessedDetails": {handle: a.generateAccessed, resource: func(r *request) string { return r.get("Arn") }},
		"GetServiceLastAccessedDetails":      {handle: a.getAccessed},
	}
}

func (a *Account) generateAccessed(r *request) (any, error) {
	arn := r.get("Arn")
	r.target = arn
	kind, name, ok := a.ownARN(arn)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidInput", "ARN %s is not valid.", arn)
	}
	u := a.state.iam.users[name]
	if kind != "user" || u == nil || u.arn != arn {
		return nil, noSuch("ARN %s does not exist.", arn)
	}
	id := a.uuid()
	a.state.iam.jobs[id] = accessAdvisorJob{by: r.caller.principalID, started: a.now(), ready: a.now().Add(a.config.AccessAdvisorDelay), services: a.accessible(u)}
	return struct{ JobId string }{id}, nil
}

// accessible are the services that the user's own policies allow, with the last attempt: a service that nothing allows
// any more isn't listed, so under a deny-all the answer is empty and says nothing about use.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html.
func (a *Account) accessible(u *user) []serviceAccessedXML {
	prefixes := map[string]bool{}
	for _, text := range a.userDocuments(u) {
		for _, s := range a.document(text).Statement {
			if s.Effect == "Deny" {
				if slices.Contains(s.Action, "*") {
					return nil
				}
				continue
			}
			for _, action := range s.Action {
				prefix, _, _ := strings.Cut(action, ":")
				prefixes[strings.ToLower(prefix)] = true
			}
			if len(s.NotAction) > 0 {
				prefixes["*"] = true
			}
		}
	}
	if prefixes["*"] {
		delete(prefixes, "*")
		for _, p := range []string{"bedrock", "cloudtrail", "cloudwatch", "codecommit", "dynamodb", "ec2", "ecr", "iam", "kms", "lambda", "logs", "s3", "secretsmanager", "ses", "sns", "sqs", "sts"} {
			prefixes[p] = true
		}
	}
	var all []serviceAccessedXML
	for _, p := range slices.Sorted(maps.Keys(prefixes)) {
		x := serviceAccessedXML{ServiceName: strings.ToUpper(p), ServiceNamespace: p}
		if at := u.accessed[p]; !at.IsZero() {
			x.LastAuthenticated, x.LastAuthenticatedEntity, x.LastAuthenticatedRegion, x.TotalAuthenticatedEntities = stampOf(at), u.arn, "us-east-1", 1
		}
		all = append(all, x)
	}
	return all
}

func (a *Account) getAccessed(r *request) (any, error) {
	id := r.get("JobId")
	j, ok := a.state.iam.jobs[id]
	if !ok || j.by != r.caller.principalID {
		return nil, noSuch("The job with id %s cannot be found.", id)
	}
	type result struct {
		JobStatus, JobType   string
		JobCreationDate      *stamp
		ServicesLastAccessed list[serviceAccessedXML]
		JobCompletionDate    *stamp `xml:",omitempty"`
		cutXML
	}
	if a.now().Before(j.ready) {
		return result{JobStatus: "IN_PROGRESS", JobType: "SERVICE_LEVEL", JobCreationDate: stampOf(j.started)}, nil
	}
	page, cut, e := paged(r, j.services, func(s serviceAccessedXML) string { return s.ServiceNamespace })
	if e != nil {
		return nil, e
	}
	return result{"COMPLETED", "SERVICE_LEVEL", stampOf(j.started), listOf(page), stampOf(j.ready), cut}, nil
}

package fakeaws

import (
	"encoding/json"
	"net/http"
)

func (a *Account) ecrService() *service {
	return &service{
		name: "ecr", protocol: json11,
		operations: map[string]operation{
			"DescribeRepositories": {handle: a.describeRepositories, resource: a.onField("ecr", "repository/", "repositoryName")},
			"GetRepositoryPolicy":  {handle: a.getRepositoryPolicy, resource: a.onField("ecr", "repository/", "repositoryName")},
		},
	}
}

type listedRepository struct {
	RepositoryArn  string      `json:"repositoryArn"`
	RegistryID     string      `json:"registryId"`
	RepositoryName string      `json:"repositoryName"`
	RepositoryURI  string      `json:"repositoryUri"`
	CreatedAt      json.Number `json:"createdAt"`
}

func (a *Account) describeRepositories(r *request) (any, error) {
	var in struct {
		MaxResults *int   `json:"maxResults"`
		NextToken  string `json:"nextToken"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size := 100
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > 1000 {
		return nil, refuse(http.StatusBadRequest, "InvalidParameterException", "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value between 1 and 1000'")
	}
	page, next, ok := pageOf(r, inRegion(a.state.resources.repositories, r.region), (*resource).key, in.NextToken, size)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidParameterException", "Invalid parameter at 'nextToken'")
	}
	out := struct {
		Repositories []listedRepository `json:"repositories"`
		NextToken    string             `json:"nextToken,omitempty"`
	}{Repositories: []listedRepository{}, NextToken: next}
	for _, x := range page {
		out.Repositories = append(out.Repositories, listedRepository{
			RepositoryArn: x.arn, RegistryID: a.id, RepositoryName: x.name, CreatedAt: epoch(x.createdAt),
			RepositoryURI: a.id + ".dkr.ecr." + r.region + ".amazonaws.com/" + x.name,
		})
	}
	return out, nil
}

func (a *Account) getRepositoryPolicy(r *request) (any, error) {
	var in struct {
		RepositoryName string `json:"repositoryName"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	r.target = in.RepositoryName
	x := find(a.state.resources.repositories, in.RepositoryName, r.region)
	if x == nil {
		return nil, refuse(http.StatusBadRequest, "RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", in.RepositoryName, a.id)
	}
	if x.policy == "" {
		return nil, refuse(http.StatusBadRequest, "RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", x.name, a.id)
	}
	return struct {
		RegistryID     string `json:"registryId"`
		RepositoryName string `json:"repositoryName"`
		PolicyText     string `json:"policyText"`
	}{a.id, x.name, a.principalARNs(x.policy)}, nil
}

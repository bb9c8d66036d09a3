package fakeaws

import (
	"encoding/json"
	"net/http"
)

func (a *Account) secretsmanagerService() *service {
	return &service{
		name: "secretsmanager", protocol: json11,
		operations: map[string]operation{
			"ListSecrets":       {handle: a.listSecrets},
			"GetResourcePolicy": {handle: a.getSecretPolicy, resource: a.onField("secretsmanager", "secret:", "SecretId")},
		},
	}
}

type listedSecret struct {
	ARN, Name   string
	CreatedDate json.Number
}

func (a *Account) listSecrets(r *request) (any, error) {
	var in struct {
		MaxResults *int
		NextToken  string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size := 100
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > 100 {
		return nil, refuse(http.StatusBadRequest, "ValidationException", "MaxResults must be between 1 and 100.")
	}
	page, next, ok := pageOf(r, inRegion(a.state.resources.secrets, r.region), (*resource).key, in.NextToken, size)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidNextTokenException", "The NextToken value is invalid.")
	}
	out := struct {
		SecretList []listedSecret
		NextToken  string `json:",omitempty"`
	}{SecretList: []listedSecret{}, NextToken: next}
	for _, s := range page {
		out.SecretList = append(out.SecretList, listedSecret{ARN: s.arn, Name: s.name, CreatedDate: epoch(s.createdAt)})
	}
	return out, nil
}

// getSecretPolicy leaves ResourcePolicy out where a secret has none: that isn't an error here.
func (a *Account) getSecretPolicy(r *request) (any, error) {
	var in struct {
		SecretID string `json:"SecretId"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	r.target = in.SecretID
	for _, s := range inRegion(a.state.resources.secrets, r.region) {
		if s.name == in.SecretID || s.arn == in.SecretID {
			return struct {
				ARN, Name      string
				ResourcePolicy string `json:",omitempty"`
			}{s.arn, s.name, a.principalARNs(s.policy)}, nil
		}
	}
	return nil, refuse(http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

package fakeaws

import (
	"net/http"
	"slices"
	"strings"
)

// accountService is AWS Account Management, whose only operation here is ListRegions.
func (a *Account) accountService() *service {
	return &service{
		name: "account", protocol: restJSON, global: true,
		operations: map[string]operation{"ListRegions": {route: "POST /listRegions", handle: a.listRegions, resource: func(*request) string { return a.arn("account", "account") }}},
	}
}

// optInRegions are those that an account doesn't have until somebody enables them.
func optInRegions() []string {
	return []string{
		"af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
		"me-central-1", "me-south-1",
	}
}

type listedRegion struct{ RegionName, RegionOptStatus string }

func (a *Account) listRegions(r *request) (any, error) {
	var in struct {
		AccountID               string `json:"AccountId"`
		MaxResults              *int
		NextToken               string
		RegionOptStatusContains []string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size := 50
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > 50 {
		return nil, refuse(http.StatusBadRequest, "ValidationException", "MaxResults must be between 1 and 50.")
	}
	if in.AccountID != "" {
		return nil, refuse(http.StatusForbidden, "AccessDeniedException", "The account %s can't be named: the caller is not in an organization's management account.", in.AccountID)
	}
	var all []listedRegion
	for _, name := range append(optInRegions(), defaultRegions()...) {
		status := "ENABLED_BY_DEFAULT"
		switch enabled := slices.Contains(a.regions, name); {
		case !enabled:
			status = "DISABLED"
		case slices.Contains(optInRegions(), name):
			status = "ENABLED"
		}
		if len(in.RegionOptStatusContains) == 0 || slices.Contains(in.RegionOptStatusContains, status) {
			all = append(all, listedRegion{RegionName: name, RegionOptStatus: status})
		}
	}
	slices.SortFunc(all, func(x, y listedRegion) int { return strings.Compare(x.RegionName, y.RegionName) })
	page, next, ok := pageOf(r, all, func(l listedRegion) string { return l.RegionName }, in.NextToken, size)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "ValidationException", "NextToken is not valid.")
	}
	return struct {
		NextToken string `json:",omitempty"`
		Regions   []listedRegion
	}{next, page}, nil
}

// CloseRegion makes every call to a region AccessDenied, as a service control policy does. reopen ends that. Scripted
// people go on working there.
func (a *Account) CloseRegion(region string) (reopen func()) {
	return a.refuseRegion(region, "AccessDenied", "AccessDeniedException", "User is not authorized to perform this action with an explicit deny in a service control policy")
}

// DisableRegion makes a region answer as one that the account has not enabled: no credentials are known there.
func (a *Account) DisableRegion(region string) (enable func()) {
	return a.refuseRegion(region, "InvalidClientTokenId", "UnrecognizedClientException", "The security token included in the request is invalid.")
}

func (a *Account) refuseRegion(region, xmlCode, jsonCode, message string) (undo func()) {
	xmlServices := []string{"iam", "sts", "sns", "s3"}
	speaksXML := func(c Call) bool { return slices.Contains(xmlServices, c.Service) }
	one := a.Fail(Fault{Match: func(c Call) bool { return c.Region == region && speaksXML(c) }, Code: xmlCode, Status: http.StatusForbidden, Message: message})
	other := a.Fail(Fault{Match: func(c Call) bool { return c.Region == region && !speaksXML(c) }, Code: jsonCode, Status: http.StatusBadRequest, Message: message})
	return func() {
		one()
		other()
	}
}

package fakeaws

import (
	"net/http"
	"strconv"
)

func (a *Account) lambdaService() *service {
	return &service{
		name: "lambda", protocol: restJSON,
		operations: map[string]operation{
			"ListFunctions": {route: "GET /2015-03-31/functions", handle: a.listFunctions},
			"GetPolicy":     {route: "GET /2015-03-31/functions/{FunctionName}/policy", handle: a.getFunctionPolicy, resource: a.onFunction},
		},
	}
}

type listedFunction struct {
	FunctionName, FunctionArn, Runtime, Handler, LastModified string
}

// listFunctions gives at most 50 functions a page, whatever MaxItems asks for.
// See https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html.
func (a *Account) listFunctions(r *request) (any, error) {
	size := 50
	if r.has("MaxItems") {
		asked, err := strconv.Atoi(r.get("MaxItems"))
		if err != nil || asked < 1 || asked > 10000 {
			return nil, refuse(http.StatusBadRequest, "InvalidParameterValueException", "MaxItems must be between 1 and 10000.")
		}
		size = min(size, asked)
	}
	page, next, ok := pageOf(r, inRegion(a.state.resources.functions, r.region), (*resource).key, r.get("Marker"), size)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidParameterValueException", "The pagination token is not valid.")
	}
	out := struct {
		Functions  []listedFunction
		NextMarker string `json:",omitempty"`
	}{Functions: []listedFunction{}, NextMarker: next}
	for _, f := range page {
		out.Functions = append(out.Functions, listedFunction{
			FunctionName: f.name, FunctionArn: f.arn, Runtime: "provided.al2023", Handler: "bootstrap", LastModified: f.createdAt.Format("2006-01-02T15:04:05.000-0700"),
		})
	}
	return out, nil
}

func (a *Account) getFunctionPolicy(r *request) (any, error) {
	r.target = r.labels["FunctionName"]
	f := find(a.state.resources.functions, afterLast(r.target, ":"), r.region)
	if f == nil {
		return nil, refuse(http.StatusNotFound, "ResourceNotFoundException", "Function not found: %s", a.regionalARN("lambda", r.region, "function:"+r.target))
	}
	if f.policy == "" {
		return nil, refuse(http.StatusNotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
	}
	return struct{ Policy string }{a.principalARNs(f.policy)}, nil
}

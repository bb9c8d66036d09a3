package fakeaws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// taggedResource is what the Resource Groups Tagging API knows of a resource.
type taggedResource struct {
	arn, region string
	tags        map[string]string
}

func (a *Account) taggingService() *service {
	return &service{
		name: "tagging", protocol: json11, prefix: "tag",
		operations: map[string]operation{"GetResources": {handle: a.getResources}},
	}
}

// AddTagged makes a resource of any service known to GetResources, in one region. IAM's are there in us-east-1 only,
// and users aren't there at all on AWS: their tags come from IAM.
func (a *Account) AddTagged(arn, region string, tags map[string]string) {
	defer a.enter()()
	all := &a.state.resources.tagged
	*all = slices.DeleteFunc(*all, func(t taggedResource) bool { return t.arn == arn })
	*all = append(*all, taggedResource{arn: arn, region: region, tags: maps.Clone(tags)})
	slices.SortFunc(*all, func(x, y taggedResource) int { return strings.Compare(x.arn, y.arn) })
}

type tagFilter struct {
	Key    string
	Values []string
}

func (f tagFilter) fits(tags map[string]string) bool {
	value, ok := tags[f.Key]
	return ok && (len(f.Values) == 0 || slices.Contains(f.Values, value))
}

type resourceTag struct{ Key, Value string }

type tagMapping struct {
	ResourceARN string
	Tags        []resourceTag
}

// getResources answers per region and with tagged resources only, 100 a page. All filters must fit.
// See https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html.
func (a *Account) getResources(r *request) (any, error) {
	var in struct {
		PaginationToken     string
		ResourcesPerPage    *int
		TagFilters          []tagFilter
		ResourceTypeFilters []string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size := 100
	if in.ResourcesPerPage != nil {
		size = *in.ResourcesPerPage
	}
	if size < 1 || size > 100 || len(in.TagFilters) > 50 {
		return nil, refuse(http.StatusBadRequest, "InvalidParameterException", "ResourcesPerPage must be between 1 and 100, and there may be 50 TagFilters.")
	}
	var all []taggedResource
	for _, t := range a.state.resources.tagged {
		if t.region == r.region && t.ofType(in.ResourceTypeFilters) && !slices.ContainsFunc(in.TagFilters, func(f tagFilter) bool { return !f.fits(t.tags) }) {
			all = append(all, t)
		}
	}
	page, next, ok := pageOf(r, all, func(t taggedResource) string { return t.arn }, in.PaginationToken, size)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "PaginationTokenExpiredException", "The specified pagination token is expired or invalid.")
	}
	out := struct {
		// PaginationToken is empty, not absent, at the end.
		PaginationToken        string
		ResourceTagMappingList []tagMapping
	}{PaginationToken: next, ResourceTagMappingList: []tagMapping{}}
	for _, t := range page {
		m := tagMapping{ResourceARN: t.arn}
		for _, name := range slices.Sorted(maps.Keys(t.tags)) {
			m.Tags = append(m.Tags, resourceTag{Key: name, Value: t.tags[name]})
		}
		out.ResourceTagMappingList = append(out.ResourceTagMappingList, m)
	}
	return out, nil
}

// ofType judges filters such as "s3" and "ec2:instance".
func (t taggedResource) ofType(filters []string) bool {
	if len(filters) == 0 {
		return true
	}
	parts := strings.SplitN(t.arn, ":", 6)
	for _, f := range filters {
		service, kind, typed := strings.Cut(f, ":")
		if len(parts) == 6 && parts[2] == service && (!typed || strings.HasPrefix(parts[5], kind+"/") || strings.HasPrefix(parts[5], kind+":")) {
			return true
		}
	}
	return false
}

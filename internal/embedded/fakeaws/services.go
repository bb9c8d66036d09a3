package fakeaws

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// state is what the services remember; each service's file owns its part.
type state struct {
	iam       *iamState
	events    *eventHistory
	resources *resources
}

// register is the one place where services join the account.
func (a *Account) register() {
	a.state.iam = newIAMState()
	for _, s := range append(a.neighbours(), a.iamService(), a.stsService()) {
		a.services[s.name] = s
	}
}

// protocol is how a service speaks.
type protocol int

const (
	queryXML protocol = iota
	json10
	json11
	restJSON
	restXML
)

// service is one AWS service: how it speaks and what it can do.
type service struct {
	// name is the signing name, which routes a request.
	name string
	// prefix of its actions in policies; name where empty.
	prefix string
	// source names it in CloudTrail; name + ".amazonaws.com" where empty.
	source   string
	protocol protocol
	// namespace is the xmlns of its answers (XML protocols).
	namespace string
	// global services live in us-east-1, whatever the signature's scope says.
	global bool
	// path gives the path to route by, where that isn't the URL's (S3's virtual hosts).
	path       func(*http.Request) string
	operations map[string]operation
}

// operation is one API action.
type operation struct {
	// handle does the work under the account's lock. It answers with a value to encode (nil for an empty
	// result), a *response, or an error: an *apiError is sent as it is.
	handle func(*request) (any, error)
	// route is "METHOD /path/{label}?flag" for REST services; {label+} takes the rest of the path.
	route string
	// permission is the IAM action it needs, where that isn't prefix:Name.
	permission string
	// free operations need no permission and can't be denied.
	free bool
	// resource is the ARN that authorization judges; "*" where nil.
	resource func(*request) string
	// write says that it changes something: CloudTrail's readOnly is its opposite.
	write bool
	// data says that Event History doesn't show it.
	data bool
}

// request is one call of one operation, over HTTP or by a scripted person.
type request struct {
	account *Account
	service *service
	op      operation
	action  string
	region  string
	id      string
	caller  *caller
	// permission and resource are what policies were asked about, once they were.
	permission, resource string
	// params are the form's fields (query protocol) or the URL's query (REST).
	params url.Values
	body   []byte
	labels map[string]string
	// http is nil where a scripted person acts.
	http                *http.Request
	sourceIP, userAgent string
	// target is who or what is acted on, for the call log; handlers and resource functions may set it.
	target string
	// requestParameters and responseElements go into the CloudTrail event; the first is filled from the
	// request where a handler doesn't.
	requestParameters map[string]any
	responseElements  map[string]any
	// cutPage asks for the shortest page there is.
	cutPage bool
}

func (r *request) get(name string) string { return r.params.Get(name) }

func (r *request) has(name string) bool { return r.params.Has(name) }

// decode reads a JSON body.
func (r *request) decode(v any) error {
	if len(r.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		return refuse(http.StatusBadRequest, "SerializationException", "%s", err)
	}
	return nil
}

// members reads a query list: name.member.1, name.member.2 …
func (r *request) members(name string) []string {
	var all []string
	for i := 1; r.has(name + ".member." + itoa(i)); i++ {
		all = append(all, r.get(name+".member."+itoa(i)))
	}
	return all
}

func (r *request) now() time.Time { return r.account.at }

func (s *service) actionPrefix() string {
	if s.prefix != "" {
		return s.prefix
	}
	return s.name
}

func (s *service) eventSource() string {
	if s.source != "" {
		return s.source
	}
	return s.name + ".amazonaws.com"
}

// routed finds the operation of a REST request. Of several that fit, the one with more fixed parts wins.
func (s *service) routed(method, path string, query url.Values) (action string, labels map[string]string) {
	best := -1
	names := make([]string, 0, len(s.operations))
	for name := range s.operations {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if found, weight, ok := matchRoute(s.operations[name].route, method, path, query); ok && weight > best {
			action, labels, best = name, found, weight
		}
	}
	return action, labels
}

func matchRoute(route, method, path string, query url.Values) (labels map[string]string, weight int, ok bool) {
	verb, pattern, _ := strings.Cut(route, " ")
	if verb != method {
		return nil, 0, false
	}
	pattern, flags, _ := strings.Cut(pattern, "?")
	if flags != "" {
		for flag := range strings.SplitSeq(flags, "&") {
			name, value, fixed := strings.Cut(flag, "=")
			if !query.Has(name) || fixed && query.Get(name) != value {
				return nil, 0, false
			}
			weight += 10
		}
	}
	want := strings.Split(strings.Trim(pattern, "/"), "/")
	got := strings.Split(strings.Trim(path, "/"), "/")
	labels = map[string]string{}
	for i, w := range want {
		if strings.HasSuffix(w, "+}") && i < len(got) {
			labels[w[1:len(w)-2]] = strings.Join(got[i:], "/")
			return labels, weight, true
		}
		if i >= len(got) {
			return nil, 0, false
		}
		switch {
		case strings.HasPrefix(w, "{"):
			if got[i] == "" {
				return nil, 0, false
			}
			labels[w[1:len(w)-1]] = got[i]
		case w == got[i]:
			weight++
		default:
			return nil, 0, false
		}
	}
	return labels, weight, len(want) == len(got)
}

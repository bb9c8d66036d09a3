package fakeaws

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Limits of Event History and LookupEvents.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html.
const (
	eventRetention  = 90 * 24 * time.Hour
	lookupPage      = 50
	lookupsASecond  = 2
	leastDelivery   = 2 * time.Minute
	usualDelivery   = 25 * time.Minute
	slowestDelivery = 85 * time.Minute
)

// eventHistory is CloudTrail's Event History: management events, a region each.
type eventHistory struct {
	regions map[string]*regionHistory
	// slowest bounds the delay of delivery; 0 delivers at once.
	slowest time.Duration
	// rate is requests a second and region; 0 is no limit.
	rate int
	// count is of all events of all regions.
	count int
}

// regionHistory holds a region's events, by the look-ups that a real account is asked most.
type regionHistory struct {
	all                         eventList
	byUser, byAccessKey, byName map[string]*eventList
	// lookups are the times of the last requests that were let through.
	lookups []time.Time
}

// eventList is in order of time once sorted: history before now comes user by user.
type eventList struct {
	events []*Event
	sorted bool
}

func newEventHistory() *eventHistory {
	return &eventHistory{regions: map[string]*regionHistory{}, slowest: usualDelivery, rate: lookupsASecond}
}

func (a *Account) cloudtrailService() *service {
	return &service{
		name: "cloudtrail", protocol: json11,
		operations: map[string]operation{"LookupEvents": {handle: a.lookupEvents}},
	}
}

// SetDeliveryDelay makes CloudTrail take from 2 minutes up to slowest (25 at first, 85 at most) until it shows an
// event; each event's own delay follows from its id. 0 shows events at once.
func (a *Account) SetDeliveryDelay(slowest time.Duration) {
	defer a.enter()()
	a.state.events.slowest = min(max(slowest, 0), slowestDelivery)
}

// SetLookupRate changes how many LookupEvents requests a second a region answers (2 on AWS, by the account's clock);
// 0 lifts the limit.
func (a *Account) SetLookupRate(perSecond int) {
	defer a.enter()()
	a.state.events.rate = perSecond
}

// Events are the management events of a region, oldest first, delivered or not.
func (a *Account) Events(region string) []Event {
	defer a.enter()()
	var out []Event
	for _, e := range a.state.events.region(region).all.inOrder() {
		out = append(out, *e)
	}
	return out
}

// recordEvent stores an event. Data events aren't in Event History; its times have whole seconds.
func (a *Account) recordEvent(e Event) {
	if !e.Management || e.Region == "" {
		return
	}
	e.Time = e.Time.UTC().Truncate(time.Second)
	a.state.events.count++
	e.Order = a.state.events.count
	h := a.state.events.region(e.Region)
	h.all.add(&e)
	addTo(h.byUser, e.username(), &e)
	addTo(h.byAccessKey, e.UserIdentity.AccessKeyID, &e)
	addTo(h.byName, e.Name, &e)
}

func (h *eventHistory) region(name string) *regionHistory {
	r := h.regions[name]
	if r == nil {
		r = &regionHistory{byUser: map[string]*eventList{}, byAccessKey: map[string]*eventList{}, byName: map[string]*eventList{}}
		h.regions[name] = r
	}
	return r
}

func addTo(index map[string]*eventList, key string, e *Event) {
	if key == "" {
		return
	}
	l := index[key]
	if l == nil {
		l = &eventList{}
		index[key] = l
	}
	l.add(e)
}

func (l *eventList) add(e *Event) {
	l.sorted = len(l.events) == 0 || l.sorted && before(l.events[len(l.events)-1], e) < 0
	l.events = append(l.events, e)
}

func (l *eventList) inOrder() []*Event {
	if l == nil {
		return nil
	}
	if !l.sorted {
		slices.SortFunc(l.events, before)
		l.sorted = true
	}
	return l.events
}

func before(a, b *Event) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.EventID, b.EventID))
}

type lookupInput struct {
	EndTime          *float64
	StartTime        *float64
	EventCategory    string
	LookupAttributes []struct{ AttributeKey, AttributeValue string }
	MaxResults       *int
	NextToken        string
}

type lookupOutput struct {
	Events    []lookedUp
	NextToken string `json:",omitempty"`
}

type lookedUp struct {
	EventID         string `json:"EventId"`
	EventName       string
	ReadOnly        string
	AccessKeyID     string `json:"AccessKeyId,omitempty"`
	EventTime       json.Number
	EventSource     string
	Username        string `json:",omitempty"`
	Resources       []eventResource
	CloudTrailEvent string
}

// lookupToken says where the next page goes on, so that events delivered meanwhile shift nothing, and for which look-up.
type lookupToken struct {
	Query uint64
	Time  int64
	ID    string
}

func (a *Account) lookupEvents(r *request) (any, error) {
	var in lookupInput
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	h := a.state.events.region(r.region)
	if !h.take(a.now(), a.state.events.rate) {
		return nil, refuse(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	}
	size, key, value, err := in.check()
	if err != nil {
		return nil, err
	}
	if r.cutPage {
		size = 1
	}
	from, token, err := in.position()
	if err != nil {
		return nil, err
	}
	out := lookupOutput{Events: []lookedUp{}}
	if in.EventCategory == "insight" {
		return out, nil
	}
	var last *Event
	earliest := a.now().Add(-eventRetention)
	if in.StartTime != nil {
		earliest = later(earliest, fromEpoch(*in.StartTime))
	}
	for _, e := range slices.Backward(h.candidates(key, value)) {
		if e.Time.Before(earliest) {
			break
		}
		if in.EndTime != nil && e.Time.After(fromEpoch(*in.EndTime)) || from != nil && before(e, from) >= 0 ||
			e.Time.Add(a.state.events.delay(e.EventID)).After(a.now()) || !e.fits(key, value) {
			continue
		}
		if len(out.Events) == size {
			out.NextToken = lookupToken{Query: token.Query, Time: last.Time.Unix(), ID: last.EventID}.String()
			break
		}
		shown, err := e.lookedUp(a.id)
		if err != nil {
			return nil, err
		}
		out.Events = append(out.Events, shown)
		last = e
	}
	return out, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func fromEpoch(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)).UTC() }

// take lets a request through if fewer than rate were in the second before.
func (h *regionHistory) take(now time.Time, rate int) bool {
	if rate <= 0 {
		return true
	}
	if len(h.lookups) >= rate && now.Sub(h.lookups[len(h.lookups)-rate]) < time.Second {
		return false
	}
	h.lookups = append(h.lookups, now)
	if extra := len(h.lookups) - rate; extra > 0 {
		h.lookups = slices.Delete(h.lookups, 0, extra)
	}
	return true
}

// check validates the request and returns the page's size and the one attribute.
func (in lookupInput) check() (size int, key, value string, err error) {
	size = lookupPage
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	switch {
	case size < 1 || size > lookupPage:
		return 0, "", "", refuse(http.StatusBadRequest, "InvalidMaxResultsException", "Max results must be between 1 and %d.", lookupPage)
	case in.StartTime != nil && in.EndTime != nil && *in.StartTime > *in.EndTime:
		return 0, "", "", refuse(http.StatusBadRequest, "InvalidTimeRangeException", "Start time must be before or equal to end time.")
	case in.EventCategory != "" && in.EventCategory != "insight":
		return 0, "", "", refuse(http.StatusBadRequest, "InvalidEventCategoryException", "The event category %s is not valid.", in.EventCategory)
	case len(in.LookupAttributes) > 1:
		return 0, "", "", refuse(http.StatusBadRequest, "InvalidLookupAttributesException", "Only one lookup attribute can be specified.")
	case len(in.LookupAttributes) == 0:
		return size, "", "", nil
	}
	attribute := in.LookupAttributes[0]
	if !slices.Contains([]string{"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"}, attribute.AttributeKey) || attribute.AttributeValue == "" {
		return 0, "", "", refuse(http.StatusBadRequest, "InvalidLookupAttributesException", "The lookup attribute %q with the value %q is not valid.", attribute.AttributeKey, attribute.AttributeValue)
	}
	return size, attribute.AttributeKey, attribute.AttributeValue, nil
}

// position is the last event of the page before, or nil, and a token that fits this look-up alone.
func (in lookupInput) position() (*Event, lookupToken, error) {
	same := in
	same.NextToken = ""
	sum := fnv.New64a()
	// Numbers and strings can't fail to encode, and a hash takes every write.
	_ = json.NewEncoder(sum).Encode(same)
	token := lookupToken{Query: sum.Sum64()}
	if in.NextToken == "" {
		return nil, token, nil
	}
	var given lookupToken
	raw, err := base64.RawURLEncoding.DecodeString(in.NextToken)
	if err == nil {
		err = json.Unmarshal(raw, &given)
	}
	if err != nil || given.Query != token.Query {
		return nil, token, refuse(http.StatusBadRequest, "InvalidNextTokenException", "The token is not valid, or it is from a look-up with other parameters.")
	}
	return &Event{Time: time.Unix(given.Time, 0).UTC(), EventID: given.ID}, token, nil
}

func (t lookupToken) String() string {
	// A number and a string can't fail to encode.
	raw, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// candidates are the events, in order of time, among which an attribute's are.
func (h *regionHistory) candidates(key, value string) []*Event {
	switch key {
	case "Username":
		return h.byUser[value].inOrder()
	case "AccessKeyId":
		return h.byAccessKey[value].inOrder()
	case "EventName":
		return h.byName[value].inOrder()
	default:
		return h.all.inOrder()
	}
}

// delay is how long an event takes until it shows: minutes, and not the same for each, so that events overtake
// each other.
func (h *eventHistory) delay(eventID string) time.Duration {
	least := min(leastDelivery, h.slowest)
	spread := h.slowest - least
	if spread <= 0 {
		return least
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(eventID)) // a hash takes every write
	return least + time.Duration(sum.Sum64()%uint64(spread))
}

func (e *Event) fits(key, value string) bool {
	switch key {
	case "EventId":
		return e.EventID == value
	case "EventSource":
		return e.Source == value
	case "ReadOnly":
		return strconv.FormatBool(e.ReadOnly) == value
	case "ResourceName", "ResourceType":
		return slices.ContainsFunc(e.resources(), func(r eventResource) bool {
			return key == "ResourceName" && r.ResourceName == value || key == "ResourceType" && r.ResourceType == value
		})
	default:
		return true // the list was chosen by it
	}
}

func (e *Event) lookedUp(accountID string) (lookedUp, error) {
	full, err := e.document(accountID)
	if err != nil {
		return lookedUp{}, fmt.Errorf("writing event %s: %w", e.EventID, err)
	}
	return lookedUp{
		EventID: e.EventID, EventName: e.Name, ReadOnly: strconv.FormatBool(e.ReadOnly), AccessKeyID: e.UserIdentity.AccessKeyID,
		EventTime: epoch(e.Time), EventSource: e.Source, Username: e.username(), Resources: e.resources(), CloudTrailEvent: full,
	}, nil
}

package approval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Where the API is, under the address of the pages.
const (
	RequestsPath  = "/v1/requests"
	DecisionsPath = "/v1/decisions"
)

// Asked is one request as its approver finds it over the API. Decisions are without their MACs.
type Asked struct {
	Request sunset.ApprovalRequest `json:"request"`
	// Choices are what this approver may choose now; none where nothing is left to decide.
	Choices []sunset.Choice   `json:"choices,omitempty"`
	Mine    *sunset.Decision  `json:"mine,omitempty"`
	Others  []sunset.Decision `json:"others,omitempty"`
	Barred  string            `json:"barred,omitempty"` // why the approver's word can't count here
	// Forged counts decisions in the store that were not taken here.
	Forged int `json:"forged,omitempty"`
}

// AskedList answers GET /v1/requests. Where no case was named it is a list alone: the facts, and what is shown beside
// them, are left out, since hundreds of them would be more than a function may answer.
type AskedList struct {
	Approver string  `json:"approver"`
	Requests []Asked `json:"requests"`
	// Missing are the cases asked about on which no request was ever made.
	Missing []string `json:"missing,omitempty"`
}

// Deciding is the body of POST /v1/decisions. Digest is that of the facts that the approver was shown.
type Deciding struct {
	RequestID string        `json:"request_id"`
	Digest    string        `json:"digest"`
	Choice    sunset.Choice `json:"choice"`
	Reason    string        `json:"reason"`
}

// Decided answers POST /v1/decisions. Outcome is what all decisions add up to, and empty while more are needed.
type Decided struct {
	Decision sunset.Decision `json:"decision"`
	Outcome  sunset.Choice   `json:"outcome,omitempty"`
}

// Refused is the body of every other answer: a sentence for the approver.
type Refused struct {
	Kind  sunset.Kind `json:"kind"`
	Error string      `json:"error"`
}

type api struct {
	*web
	identify func(*http.Request) (arn string, ok bool)
}

// NewAPI serves approvers who come with an AWS identity instead of a link: GET /v1/requests?case=ID… gives the latest
// request on each case, or without a case everything that an inbox shows; POST /v1/decisions decides one. The rules are
// those of the pages.
//
// identify tells whose signature AWS has checked on a request; nothing in the request itself is believed. The settings'
// principals say which approver that is: see sunset.Settings.ActingAs. onDecided, recordDecision and log are as in Pages.
func NewAPI(desk *Desk, identify func(*http.Request) (arn string, ok bool), onDecided func(context.Context, sunset.ApprovalRequest, sunset.Choice) error,
	recordDecision func(context.Context, sunset.ApprovalRequest, sunset.Decision) error, log *slog.Logger,
) http.Handler {
	a := &api{web: &web{desk: desk, onDecided: onDecided, recordDecision: recordDecision, log: heard(log)}, identify: identify}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+RequestsPath, a.requests)
	mux.HandleFunc("POST "+DecisionsPath, a.decide)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		a.say(rw, r, http.StatusNotFound, Refused{sunset.Invalid, "there is nothing here: " + r.Method + " " + r.URL.Path})
	})
	return guarded(mux)
}

// approver is who sends a request, by today's settings.
func (a *api) approver(r *http.Request) (sunset.Approver, string, error) {
	arn, ok := a.identify(r)
	if !ok || arn == "" {
		return sunset.Approver{}, "", sunset.Faultf(sunset.AccessDenied, "the request is not signed by an AWS identity")
	}
	s, err := a.desk.settings(r.Context())
	if err != nil {
		return sunset.Approver{}, "", fmt.Errorf("reading who may approve: %w", err)
	}
	who, ok := s.ActingAs(arn)
	if !ok {
		return sunset.Approver{}, "", sunset.Faultf(sunset.AccessDenied, "%s is not among the principals of any approver in today's settings", arn)
	}
	return who, arn, nil
}

func (a *api) requests(rw http.ResponseWriter, r *http.Request) {
	who, _, err := a.approver(r)
	if err != nil {
		a.refuse(rw, r, err)
		return
	}
	out := AskedList{Approver: who.Email, Requests: []Asked{}}
	cases := r.URL.Query()["case"]
	if len(cases) == 0 {
		items, err := a.desk.Inbox(r.Context(), who.Email)
		if err != nil {
			a.refuse(rw, r, err)
			return
		}
		for _, item := range items {
			asked := a.asked(item)
			asked.Request.Facts, asked.Request.Shown = sunset.Facts{}, sunset.Shown{}
			out.Requests = append(out.Requests, asked)
		}
		a.say(rw, r, http.StatusOK, out)
		return
	}
	slices.Sort(cases)
	for _, id := range slices.Compact(cases) {
		latest, err := a.desk.latest(r.Context(), id)
		if errors.Is(err, store.ErrMissing) {
			out.Missing = append(out.Missing, id)
			continue
		}
		var item Item
		if err == nil {
			item, err = a.desk.Item(r.Context(), who.Email, latest)
		}
		if err != nil {
			a.refuse(rw, r, err)
			return
		}
		out.Requests = append(out.Requests, a.asked(item))
	}
	a.say(rw, r, http.StatusOK, out)
}

// asked is an item without what is nobody's business outside.
func (a *api) asked(item Item) Asked {
	out := Asked{Request: item.Request, Barred: item.Barred, Forged: item.Forged}
	if item.Mine != nil {
		mine := *item.Mine
		mine.MAC = nil
		out.Mine = &mine
	}
	for _, d := range item.Others {
		d.MAC = nil
		out.Others = append(out.Others, d)
	}
	if item.Request.State == sunset.RequestOpen && a.desk.clock.Now().Before(item.Request.Expires) && item.Mine == nil && item.Barred == "" {
		out.Choices = item.Request.Choices()
	}
	return out
}

func (a *api) decide(rw http.ResponseWriter, r *http.Request) {
	who, arn, err := a.approver(r)
	if err != nil {
		a.refuse(rw, r, err)
		return
	}
	in, err := readDeciding(rw, r)
	if err != nil {
		a.refuse(rw, r, err)
		return
	}
	// Whoever hangs up now has decided all the same.
	ctx := context.WithoutCancel(r.Context())
	request, err := a.desk.Request(ctx, in.RequestID)
	if errors.Is(err, store.ErrMissing) {
		err = sunset.Faultf(sunset.Invalid, "request_id: there is no such request")
	}
	if err != nil {
		a.refuse(rw, r, err)
		return
	}
	decision, outcome, err := a.desk.Decide(ctx, sunset.Decision{
		RequestID: request.ID, Digest: in.Digest, Approver: who.Email, Choice: in.Choice, Reason: in.Reason, Way: sunset.WayAWS, Principal: arn,
	})
	if err != nil {
		a.refuse(rw, r, err)
		return
	}
	if err := a.recordDecision(ctx, request, decision); err != nil {
		a.log.ErrorContext(ctx, "a decision is stored but not on record", "request", request.ID, "approver", who.Email, "error", err)
		a.say(rw, r, http.StatusServiceUnavailable, Refused{sunset.Unavailable, "your decision is stored, but could not be put on record yet; send the same one once more in a minute"})
		return
	}
	if outcome != "" {
		a.answer(ctx, request.ID)
	}
	decision.MAC = nil
	a.say(rw, r, http.StatusOK, Decided{Decision: decision, Outcome: outcome})
}

// readDeciding reads the body strictly: a field that is not known may be one that somebody relies on.
func readDeciding(rw http.ResponseWriter, r *http.Request) (Deciding, error) {
	var in Deciding
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return in, sunset.Faultf(sunset.Invalid, "a decision is sent as application/json; nothing was decided")
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxForm))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err = d.Decode(&in)
		if err == nil {
			if _, more := d.Token(); !errors.Is(more, io.EOF) {
				err = errors.New("there is something after its end")
			}
		}
	}
	// Of two, nobody could tell which one the approver meant.
	if twice := sunset.Repeated(body); err == nil && twice != "" {
		err = fmt.Errorf("the field %q stands there twice", twice)
	}
	switch {
	case err != nil:
		return in, sunset.Faultf(sunset.Invalid, "the decision can't be read, and nothing was decided: %w", err)
	case in.RequestID == "" || in.Digest == "" || in.Choice == "":
		return in, sunset.Faultf(sunset.Invalid, "request_id, digest and choice must be set; nothing was decided")
	}
	return in, nil
}

// refuse tells an error as fail does: only what was said for the approver is shown.
func (a *api) refuse(rw http.ResponseWriter, r *http.Request, err error) {
	if fault, ok := err.(*sunset.Fault); ok { //nolint:errorlint // one that is wrapped speaks of something deeper
		status := map[sunset.Kind]int{
			sunset.Conflict: http.StatusConflict, sunset.AccessDenied: http.StatusForbidden, sunset.Invalid: http.StatusBadRequest,
		}[fault.Kind]
		if status != 0 {
			a.say(rw, r, status, Refused{fault.Kind, fault.Error()})
			return
		}
	}
	a.log.ErrorContext(r.Context(), "a call of the approval API failed", "method", r.Method, "path", r.URL.Path, "error", err)
	if sunset.KindOf(err).Passing() {
		a.say(rw, r, http.StatusServiceUnavailable, Refused{sunset.Unavailable, "this can't be done right now; try again in a minute"})
		return
	}
	a.say(rw, r, http.StatusInternalServerError, Refused{sunset.Internal, "something went wrong on the approval service's side; its log says what"})
}

func (a *api) say(rw http.ResponseWriter, r *http.Request, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	if err := json.NewEncoder(rw).Encode(body); err != nil {
		a.log.WarnContext(r.Context(), "an answer of the approval API did not get through", "error", err)
	}
}

// latest is the id of the newest request on a case. The error wraps store.ErrMissing where none was ever made.
func (d *Desk) latest(ctx context.Context, caseID string) (string, error) {
	none := fmt.Errorf("looking for a request on case %q: %w", caseID, store.ErrMissing)
	if !plainKey(caseID) {
		return "", none
	}
	rounds, err := d.rounds(ctx, caseID)
	if err != nil {
		return "", fmt.Errorf("looking for a request on case %s: %w", caseID, err)
	}
	if len(rounds) == 0 {
		return "", none
	}
	return slices.MaxFunc(rounds, func(a, b round) int { return a.Round - b.Round }).RequestID, nil
}

package office

import (
	"errors"
	"net/http"

	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// refusal is the body of every answer that isn't 200. It has the fields of approval.Refused.
type refusal struct {
	Kind  sunset.Kind `json:"kind"`
	Error string      `json:"error"`
	// Store is exists, missing or moved, where a store says so.
	Store string `json:"store,omitempty"`
	// Code is AWS's name of what is wrong with a signature.
	Code string `json:"code,omitempty"`
}

// stored are the answers of stores beside success.
var stored = map[string]error{"exists": store.ErrExists, "missing": store.ErrMissing, "moved": store.ErrMoved}

func refuse(rw http.ResponseWriter, err error) {
	out := refusal{Kind: sunset.KindOf(err), Error: err.Error()}
	status := map[sunset.Kind]int{
		sunset.Throttled: http.StatusTooManyRequests, sunset.Unavailable: http.StatusServiceUnavailable, sunset.NotReady: http.StatusServiceUnavailable,
		sunset.Conflict: http.StatusConflict, sunset.AccessDenied: http.StatusForbidden, sunset.Invalid: http.StatusBadRequest, sunset.Internal: http.StatusInternalServerError,
	}[out.Kind]
	var unsigned *signature.Refusal
	if errors.As(err, &unsigned) {
		out, status = refusal{Kind: sunset.AccessDenied, Error: unsigned.Message, Code: unsigned.Code}, unsigned.Status
	}
	for name, is := range stored {
		if errors.Is(err, is) {
			out.Store, status = name, http.StatusConflict
		}
	}
	say(rw, status, out)
}

// err is what a client makes of it: the store's own error, or a fault of the kind that was said.
func (r refusal) err() error {
	if is := stored[r.Store]; is != nil {
		return is
	}
	return sunset.Faultf(r.Kind, "%s", r.Error)
}

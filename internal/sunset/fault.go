package sunset

import (
	"errors"
	"fmt"
)

// Kind names a fault for the Retry and Catch fields of the definition.
type Kind string

// The kinds. Throttled, Unavailable and NotReady pass by themselves and are tried again; Conflict says that the facts
// moved and must be read again; the others need a person.
const (
	Throttled    Kind = "Throttled"
	Unavailable  Kind = "Unavailable"
	NotReady     Kind = "NotReady"
	Conflict     Kind = "Conflict"
	AccessDenied Kind = "AccessDenied"
	Invalid      Kind = "Invalid"
	Internal     Kind = "Internal"
)

// Moot ends RequestApproval where there is nothing to decide any more, because the case was rescued or has ended. It is
// an answer rather than a fault: the definition catches it in that one state, and only there may it be given. The function
// could answer its own task token instead, but who may answer tokens should be few.
const Moot Kind = "Moot"

// Kinds lists every kind, for the contract between definition and code.
func Kinds() []Kind {
	return []Kind{Throttled, Unavailable, NotReady, Conflict, AccessDenied, Invalid, Internal}
}

// Passing reports whether the same call may succeed later without anybody's help.
func (k Kind) Passing() bool { return k == Throttled || k == Unavailable || k == NotReady }

// Fault is an error with a kind. Its text says what was being done to whom.
type Fault struct {
	Kind Kind
	// Action is the AWS action at fault, as in a policy ("iam:GetUser"), or empty.
	Action string
	Err    error
}

func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Faultf makes a Fault of a kind; %w works as in fmt.Errorf.
func Faultf(kind Kind, format string, args ...any) error {
	return &Fault{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// KindOf is the kind of the outermost Fault in err's chain, and Internal where there is none.
func KindOf(err error) Kind {
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return Internal
}

// ActionOf is the AWS action named by the outermost Fault in err's chain that names one.
func ActionOf(err error) string {
	for err != nil {
		var f *Fault
		if !errors.As(err, &f) {
			return ""
		}
		if f.Action != "" {
			return f.Action
		}
		err = f.Err
	}
	return ""
}

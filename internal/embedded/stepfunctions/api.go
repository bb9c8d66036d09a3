package stepfunctions

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
)

const (
	contentType = "application/x-amz-json-1.0"
	maxRequest  = 2 << 20
	maxPayload  = 262144
	// unavailable is AWS's name for an engine that can't answer now.
	unavailable = "ServiceUnavailable"
)

// refusal is an error in AWS's terms; Code is the name that clients match.
type refusal struct{ Code, Message string }

func (r *refusal) Error() string { return r.Code + ": " + r.Message }

func refuse(code, format string, args ...any) error {
	return &refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// operation answers one request with the body of its answer. e.mu is held meanwhile, and what moved is committed before
// the answer goes out. by is who sent it, where that matters.
type operation func(e *Engine, body []byte, by string) (any, error)

// on makes an operation of a function that takes the request's own shape.
func on[In any](f func(*Engine, In) (any, error)) operation {
	return func(e *Engine, body []byte, _ string) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, refuse("SerializationException", "the request can't be read: %v", err)
		}
		return f(e, in)
	}
}

func operations() map[string]operation {
	return map[string]operation{
		"StartExecution": func(e *Engine, body []byte, by string) (any, error) {
			return on(func(e *Engine, in startRequest) (any, error) { return e.startExecution(in, by) })(e, body, by)
		},
		"DescribeExecution":                on((*Engine).describeExecution),
		"ListExecutions":                   on((*Engine).listExecutions),
		"GetExecutionHistory":              on((*Engine).getExecutionHistory),
		"StopExecution":                    on((*Engine).stopExecution),
		"RedriveExecution":                 on((*Engine).redriveExecution),
		"SendTaskSuccess":                  on((*Engine).sendTaskSuccess),
		"SendTaskFailure":                  on((*Engine).sendTaskFailure),
		"SendTaskHeartbeat":                on((*Engine).sendTaskHeartbeat),
		"DescribeStateMachine":             on((*Engine).describeStateMachine),
		"DescribeStateMachineForExecution": on((*Engine).describeStateMachineForExecution),
		"ListStateMachines":                on((*Engine).listStateMachines),
		"ListStateMachineVersions":         on((*Engine).listStateMachineVersions),
		"ListStateMachineAliases":          on((*Engine).listStateMachineAliases),
		"ListTagsForResource":              on((*Engine).listTagsForResource),
	}
}

// ServeHTTP answers one request of Step Functions' API. A virtual clock stands still meanwhile.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer e.cfg.Timers.Hold()()
	answer, err := e.answer(w, r)
	status := http.StatusOK
	if err != nil {
		var why *refusal
		var unsigned *signature.Refusal
		switch {
		case errors.As(err, &unsigned):
			why, status = &refusal{Code: unsigned.Code, Message: unsigned.Message}, unsigned.Status
		case !errors.As(err, &why):
			why, status = &refusal{Code: "InternalFailure", Message: err.Error()}, http.StatusInternalServerError
		case why.Code == unavailable:
			status = http.StatusServiceUnavailable
		default:
			status = http.StatusBadRequest
		}
		answer = map[string]string{"__type": why.Code, "message": why.Message}
		w.Header().Set("X-Amzn-Errortype", why.Code)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller may have gone
}

func (e *Engine) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	// A page in a browser could send a foreign name that points here.
	if !loopback(r.Host) {
		return nil, refuse("AccessDeniedException", "this engine answers on loopback only")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, refuse("SerializationException", "the request can't be read: %v", err)
	}
	// Whoever signs lives in real time, whichever the executions' is; so does the Date of the answer, from which AWS's
	// clients set their clocks.
	if err := e.cfg.Key.Verify(r, body, "states", e.cfg.Region, clock.Wall{}.Now()); err != nil {
		return nil, err
	}
	target := r.Header.Get("X-Amz-Target")
	_, name, _ := strings.Cut(target, ".")
	op := operations()[name]
	if r.Method != http.MethodPost || op == nil {
		return nil, refuse("UnknownOperationException", "%s %q is not an operation of the embedded Step Functions engine", r.Method, target)
	}
	by := e.cfg.Self
	if name == "StartExecution" {
		who, err := e.starter(r, body)
		if err != nil {
			return nil, err
		}
		by = cmp.Or(who, by)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, refuse(unavailable, "the engine has been closed")
	}
	if err := e.commit(); err != nil { // what is shown is on record
		return nil, refuse(unavailable, "%v", err)
	}
	answer, err := op(e, body, by)
	if broken := e.commit(); broken != nil {
		return nil, refuse(unavailable, "%v", broken)
	}
	return answer, err
}

// starter is who proves to start an execution, or empty.
func (e *Engine) starter(r *http.Request, body []byte) (who string, err error) {
	if e.cfg.Identify != nil {
		if who, err = e.cfg.Identify(r.Context(), r.Header); err != nil {
			return "", refuse("AccessDeniedException", "who starts the execution can't be told: %v", err)
		}
	}
	if who != "" {
		if parts := strings.Split(who, ":"); len(parts) < 6 || parts[4] != e.cfg.AccountID {
			return "", refuse("AccessDeniedException", "%s is not of account %s: as on AWS, nobody from another account starts its executions", who, e.cfg.AccountID)
		}
		return who, nil
	}
	var in startRequest
	if e.cfg.Anonymous == nil || json.Unmarshal(body, &in) != nil { // which is refused for what it is
		return "", nil
	}
	if in.Input == nil {
		in.Input = new("{}")
	}
	if err := e.cfg.Anonymous(*in.Input); err != nil {
		return "", refuse("AccessDeniedException", "%v", err)
	}
	return "", nil
}

// Serve answers the API on a listener until that is closed. It refuses a listener that isn't on loopback.
func (e *Engine) Serve(l net.Listener) error {
	if !loopback(l.Addr().String()) {
		return fmt.Errorf("serving Step Functions on %s: only a loopback address will do", l.Addr())
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serving Step Functions on %s: %w", l.Addr(), err)
	}
	return nil
}

func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.Trim(hostPort, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// epoch is a time as JSON 1.0 has it: seconds since 1970, to the millisecond.
type epoch time.Time

// MarshalJSON writes the seconds.
func (t epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(t).UnixMilli())/1000, 'f', 3, 64), nil
}

// stamp is nil for the zero time, which JSON then leaves out.
func stamp(t time.Time) *epoch {
	if t.IsZero() {
		return nil
	}
	return (*epoch)(&t)
}

// cursor reads a request's paging: the place that its token names in n entries, or n without one, and how many
// entries it wants. MaxResults 0 is the default of 100.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
func cursor(n, maxResults int, token string) (place, most int, err error) {
	if maxResults < 0 || maxResults > 1000 {
		return 0, 0, refuse("ValidationException", "maxResults must be from 0 to 1000, not %d", maxResults)
	}
	if maxResults == 0 {
		maxResults = 100
	}
	if token == "" {
		return n, maxResults, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		place, err = strconv.Atoi(string(raw))
	}
	if err != nil || place < 0 || place > n {
		return 0, 0, refuse("InvalidToken", "Invalid Token: 'nextToken'")
	}
	return place, maxResults, nil
}

func cursorToken(place int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(place)))
}

// validName is AWS's rule for names of executions and state machines.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
func validName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n >= 1 && n <= 80 && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>{}[]?*\"#%\\^|~`$&,;:/", r)
	})
}

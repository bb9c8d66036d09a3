package asl

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// task is what a Task state has beside the fields of every state.
type task struct {
	function      string
	callback      bool // waitForTaskToken
	timeout       time.Duration
	timeoutPath   *path
	heartbeat     time.Duration
	heartbeatPath *path
	retry         []retrier
	catch         []catcher
}

type retrier struct {
	errors      []string
	interval    time.Duration
	backoff     float64
	maxAttempts int64
	maxDelay    time.Duration // 0: no limit
	jitter      bool          // FULL
}

type catcher struct {
	errors     []string
	next       string
	resultPath selector
	field      string
}

// Names that the language reserves. https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
const (
	errAll              = "States.ALL"
	errTimeout          = "States.Timeout"
	errHeartbeatTimeout = "States.HeartbeatTimeout"
	errTaskFailed       = "States.TaskFailed"
	errRuntime          = "States.Runtime"
	errDataLimit        = "States.DataLimitExceeded"
	errResultPath       = "States.ResultPathMatchFailure"
	errNoChoice         = "States.NoChoiceMatched"
	errPermissions      = "States.Permissions"
	// errUnknown is Lambda's for a call of which nobody knows how it ended.
	errUnknown = "Lambda.Unknown"
)

var reservedErrors = []string{
	errAll, errTimeout, errHeartbeatTimeout, errTaskFailed, errDataLimit, errResultPath, errPermissions,
}

func (f *fields) task() *task {
	t := &task{
		timeout:       f.duration("TimeoutSeconds"),
		timeoutPath:   f.path("TimeoutSecondsPath"),
		heartbeat:     f.duration("HeartbeatSeconds"),
		heartbeatPath: f.path("HeartbeatSecondsPath"),
	}
	var ok bool
	resource := f.required("Resource")
	if t.function, t.callback, ok = splitResource(resource); !ok {
		f.refuse("Resource", "must be the ARN of a Lambda function or arn:aws:states:::lambda:invoke.waitForTaskToken, not %q", resource)
	}
	if t.timeout > 0 && t.timeoutPath != nil {
		f.refuse("TimeoutSecondsPath", "may not be there beside TimeoutSeconds")
	}
	if t.heartbeat > 0 && t.heartbeatPath != nil {
		f.refuse("HeartbeatSecondsPath", "may not be there beside HeartbeatSeconds")
	}
	if t.timeout > 0 && t.heartbeat >= t.timeout {
		f.refuse("HeartbeatSeconds", "must be less than TimeoutSeconds")
	}
	list := f.list("Retry")
	for i, r := range list {
		t.retry = append(t.retry, r.retrier(i == len(list)-1))
	}
	list = f.list("Catch")
	for i, c := range list {
		t.catch = append(t.catch, c.catcher(i == len(list)-1))
	}
	return t
}

func (f *fields) retrier(last bool) retrier {
	r := retrier{errors: f.errorEquals(last), interval: time.Second, backoff: 2, maxAttempts: 3}
	f.take("Comment")
	if d := f.duration("IntervalSeconds"); d > 0 {
		r.interval = d
	}
	if n := f.integer("MaxAttempts", 0, maxSeconds); n != nil {
		r.maxAttempts = *n
	}
	if v, ok := f.take("BackoffRate"); ok {
		n, isNumber := number(v)
		if !isNumber || n < 1 {
			f.refuse("BackoffRate", "must be a number of at least 1")
		}
		r.backoff = n
	}
	// AWS: greater than 0 and less than 31622400.
	if n := f.integer("MaxDelaySeconds", 1, 31622399); n != nil {
		r.maxDelay = time.Duration(*n) * time.Second
		if r.maxDelay < r.interval {
			f.refuse("MaxDelaySeconds", "must not be less than IntervalSeconds")
		}
	}
	if s, ok := f.text("JitterStrategy"); ok {
		if s != "FULL" && s != "NONE" {
			f.refuse("JitterStrategy", "must be FULL or NONE")
		}
		r.jitter = s == "FULL"
	}
	f.done("in a retrier")
	return r
}

func (f *fields) catcher(last bool) catcher {
	c := catcher{errors: f.errorEquals(last), next: f.required("Next"), resultPath: f.reference("ResultPath"), field: f.at}
	f.take("Comment")
	f.done("in a catcher")
	return c
}

func (f *fields) errorEquals(last bool) []string {
	v, _ := f.take("ErrorEquals")
	list, _ := v.([]any)
	if len(list) == 0 {
		f.refuse("ErrorEquals", "must be a list of at least one error name")
	}
	var out []string
	for _, item := range list {
		name, _ := item.(string)
		switch {
		case name == "":
			f.refuse("ErrorEquals", "must hold error names only")
		case name == errRuntime:
			f.refuse("ErrorEquals", "names States.Runtime, which always fails the execution")
		case strings.HasPrefix(name, "States.") && !slices.Contains(reservedErrors, name):
			f.refuse("ErrorEquals", "names %s, which no Task here fails with", name)
		case name == errAll && (len(list) > 1 || !last):
			f.refuse("ErrorEquals", "may name States.ALL only alone and in the last entry")
		}
		out = append(out, name)
	}
	return out
}

// delay is the pause before retry n, counted from 1: the interval grown by the rate, cut at the most, and with FULL
// jitter any time from nothing up to that.
func (r retrier) delay(n int64, random *rand.Rand) time.Duration {
	d := r.interval.Seconds() * math.Pow(r.backoff, float64(n-1))
	most := float64(maxSeconds)
	if r.maxDelay > 0 {
		most = r.maxDelay.Seconds()
	}
	d = min(d, most)
	if r.jitter {
		d *= random.Float64()
	}
	return time.Duration(d * float64(time.Second))
}

// failure is an error as states name it.
type failure struct {
	Error, Cause string
	// heartbeat tells a missed heartbeat from another time-out. AWS names both States.Timeout in the history and
	// still lets Retry and Catch name States.HeartbeatTimeout.
	heartbeat bool
}

// matches says whether ErrorEquals means the failure. States.ALL means neither States.DataLimitExceeded nor
// States.Runtime; States.TaskFailed means all that States.ALL does but States.Timeout. The guide says so; recorded
// executions have shown States.ALL catching States.DataLimitExceeded, so name that where it must be caught.
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
func (x failure) matches(names []string) bool {
	if x.Error == errRuntime {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		switch name {
		case x.Error:
			return true
		case errAll:
			return x.Error != errDataLimit
		case errTaskFailed:
			return x.Error != errDataLimit && x.Error != errTimeout
		case errHeartbeatTimeout:
			return x.heartbeat
		}
		return false
	})
}

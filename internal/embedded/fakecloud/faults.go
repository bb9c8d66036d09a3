package fakecloud

import (
	"cmp"
	"net/http"
)

// Fault is something that goes wrong on demand, for authenticated calls that fit.
type Fault struct {
	// Action names the calls ("s3:PutObject"); empty fits all.
	Action string
	// Match narrows further; it must not call the cloud.
	Match func(Call) bool
	// After lets the first n fitting calls through; Times then ends the fault after as many (0: never).
	After, Times int
	// Code, Message and Status are the error that the caller gets; none where Code is empty. Status is 400 where 0.
	Code, Message string
	Status        int
	// Throttle answers with the service's own throttling error.
	Throttle bool
	// Drop closes the connection without an answer.
	Drop bool
	// Truncate does the work, sends half of the answer's body and closes the connection.
	Truncate bool
	// ApplyFirst does the work and then fails: the answer is lost. Without it nothing was done.
	ApplyFirst bool
	// Entries makes PutEvents succeed but for so many entries, the last ones, which fail with Code.
	Entries int
}

type armedFault struct {
	Fault
	seen int
}

// Fail arms a fault. Of several that fit, the one armed first happens. remove disarms it.
func (c *Cloud) Fail(f Fault) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	armed := &armedFault{Fault: f}
	c.faults = append(c.faults, armed)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, other := range c.faults {
			if other == armed {
				c.faults = append(c.faults[:i:i], c.faults[i+1:]...)
				return
			}
		}
	}
}

func (c *Cloud) nextFault(call Call) *Fault {
	for _, f := range c.faults {
		if f.Action != "" && f.Action != call.Action || f.Match != nil && !f.Match(call) {
			continue
		}
		f.seen++
		if f.seen > f.After && (f.Times == 0 || f.seen <= f.After+f.Times) {
			return &f.Fault
		}
	}
	return nil
}

// failure is the error that the fault answers with, or nil.
func (f *Fault) failure(service string) *refusal {
	switch {
	case f == nil || f.Entries > 0:
		return nil
	case f.Throttle && service == "s3":
		return refuse(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	case f.Throttle && service == "dynamodb":
		return refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException",
			"The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.")
	case f.Throttle && service == "ses":
		return refuse(http.StatusTooManyRequests, "TooManyRequestsException", "Maximum sending rate exceeded.")
	case f.Throttle && service == "sns":
		return refuse(http.StatusBadRequest, "Throttling", "Rate exceeded")
	case f.Throttle:
		return refuse(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	case f.Code != "":
		return refuse(cmp.Or(f.Status, http.StatusBadRequest), f.Code, "%s", cmp.Or(f.Message, "The fake cloud was asked to answer "+f.Code+"."))
	case f.Drop:
		return refuse(http.StatusInternalServerError, "ConnectionClosed", "the connection was closed")
	}
	return nil
}

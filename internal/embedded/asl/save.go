package asl

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// saved is an Execution at rest, as JSON. Fields may be added; none may change its meaning, since executions last for
// weeks and the program is upgraded meanwhile.
type saved struct {
	Origin Origin    `json:"origin"`
	Random []byte    `json:"random"`
	Now    time.Time `json:"now"`

	Status    Status    `json:"status"`
	Started   time.Time `json:"started"`
	Stopped   time.Time `json:"stopped,omitzero"`
	Output    string    `json:"output,omitempty"`
	Error     string    `json:"error,omitempty"`
	Cause     string    `json:"cause,omitempty"`
	Heartbeat bool      `json:"heartbeat,omitempty"` // the failure is a missed one
	Deadline  time.Time `json:"deadline,omitzero"`
	Redrives  int       `json:"redrives,omitempty"`
	Redriven  time.Time `json:"redriven,omitzero"`
	LastEvent int64     `json:"last_event"`

	State     string        `json:"state"`
	Input     string        `json:"input"`
	Entered   time.Time     `json:"entered"`
	EnteredID int64         `json:"entered_id"`
	Retries   []int64       `json:"retries,omitempty"`
	Attempt   *savedAttempt `json:"attempt,omitempty"`
	Wake      time.Time     `json:"wake,omitzero"`
	Tokens    []string      `json:"tokens,omitempty"`
}

type savedAttempt struct {
	ID        int64         `json:"id"`
	Token     string        `json:"token,omitempty"`
	Submitted bool          `json:"submitted,omitempty"`
	Deadline  time.Time     `json:"deadline,omitzero"`
	Heartbeat time.Time     `json:"heartbeat,omitzero"`
	Interval  time.Duration `json:"interval,omitempty"`
	Payload   string        `json:"payload"`
}

// Save writes the whole execution down, between inputs: what Resume makes of it behaves as this one does, to the last
// jitter and token. It holds task tokens and the seed of those to come, so that it must be kept as a secret.
func (e *Execution) Save() ([]byte, error) {
	random, err := e.source.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("saving execution %s: %w", e.origin.ExecutionName, err)
	}
	s := saved{
		Origin: e.origin, Random: random, Now: e.now,
		Status: e.status, Started: e.started, Stopped: e.stopped, Output: e.output,
		Error: e.failure.Error, Cause: e.failure.Cause, Heartbeat: e.failure.heartbeat,
		Deadline: e.deadline, Redrives: e.redrives, Redriven: e.redriven, LastEvent: e.lastEvent,
		State: e.State(), Input: e.input, Entered: e.entered, EnteredID: e.enteredID,
		Retries: e.retries, Wake: e.wake, Tokens: e.tokens,
	}
	if a := e.attempt; a != nil {
		s.Attempt = &savedAttempt{
			ID: a.id, Token: a.token, Submitted: a.submitted, Deadline: a.deadline,
			Heartbeat: a.heartbeat, Interval: a.interval, Payload: a.payload,
		}
	}
	out, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("saving execution %s: %w", e.origin.ExecutionName, err)
	}
	return out, nil
}

// Resume takes up an execution that Save wrote down, with the definition that it began with. It refuses what this
// definition can't have led to.
func Resume(def *Definition, data []byte) (*Execution, error) {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("taking up an execution: %w", err)
	}
	e := &Execution{
		def: def, origin: s.Origin, source: &rand.ChaCha8{}, now: s.Now,
		status: s.Status, started: s.Started, stopped: s.Stopped, output: s.Output,
		failure:  failure{Error: s.Error, Cause: s.Cause, heartbeat: s.Heartbeat},
		deadline: s.Deadline, redrives: s.Redrives, redriven: s.Redriven, lastEvent: s.LastEvent,
		state: def.states[s.State], input: s.Input, entered: s.Entered, enteredID: s.EnteredID,
		retries: s.Retries, wake: s.Wake, tokens: s.Tokens,
	}
	if err := e.source.UnmarshalBinary(s.Random); err != nil {
		return nil, fmt.Errorf("taking up execution %s: its chance can't be read: %w", s.Origin.ExecutionName, err)
	}
	e.random = rand.New(e.source)
	if a := s.Attempt; a != nil {
		e.attempt = &attempt{
			id: a.ID, token: a.Token, submitted: a.Submitted, deadline: a.Deadline,
			heartbeat: a.Heartbeat, interval: a.Interval, payload: a.Payload,
		}
	}
	if err := e.sound(); err != nil {
		return nil, fmt.Errorf("taking up execution %s in state %q: %w", s.Origin.ExecutionName, s.State, err)
	}
	return e, nil
}

// sound refuses an execution that no definition leaves behind, or not this one.
func (e *Execution) sound() error {
	task := e.state != nil && e.state.kind == kindTask
	switch {
	case e.state == nil:
		return errors.New("the definition has no such state")
	case e.status != Running && e.status != Succeeded && e.status != Failed && e.status != TimedOut && e.status != Aborted:
		return fmt.Errorf("there is no status %q", e.status)
	case e.lastEvent < 1 || e.enteredID < 1 || e.enteredID > e.lastEvent:
		return errors.New("its events don't add up")
	case e.attempt != nil && !task:
		return errors.New("the definition calls no function there")
	case e.retries != nil && (!task || len(e.retries) != len(e.state.task.retry)):
		return errors.New("the definition has other retriers there")
	case e.status == Running && e.Wake().IsZero() && e.attempt == nil:
		return errors.New("it waits for nothing")
	case e.status != Running && (e.attempt != nil || e.stopped.IsZero()):
		return errors.New("it has ended and goes on")
	}
	return nil
}

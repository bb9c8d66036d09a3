package stepfunctions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// shipped is the definition as one machine has it.
func shipped(tb testing.TB) *asl.Definition {
	tb.Helper()
	arns := map[string]string{}
	for _, name := range statemachine.Functions() {
		arns[name] = "arn:aws:lambda:eu-west-1:123456789012:function:" + name
	}
	rendered, err := statemachine.Render(arns)
	require.NoError(tb, err)
	d, err := asl.Load([]byte(rendered))
	require.NoError(tb, err)
	return d
}

// stubs are functions that lead a case by the shortest way to its deletion, and keep nothing but counts: like the
// product's own they may be called again.
type stubs struct {
	clock *clock.Virtual
	// asked, where set, gets each task token.
	asked func(token string)

	mu    sync.Mutex
	calls map[string]int
}

type soaking struct {
	Status          string    `json:"status"`
	Began           time.Time `json:"began"`
	Checks          int       `json:"checks"`
	NextCheckAt     time.Time `json:"next_check_at"`
	ApprovalSeconds int       `json:"approval_seconds"`
}

type stubPayload struct {
	State struct {
		Case struct {
			UserID string `json:"user_id"`
		} `json:"case"`
		Soak soaking `json:"soak"`
	} `json:"state"`
	TaskToken string `json:"task_token"`
}

// next is the check after so many, as the product spreads them: three early ones, then daily within an hour of one's own.
func (s soaking) next(userID string) soaking {
	h := fnv.New32a()
	_, _ = h.Write([]byte(userID)) // never fails
	spread := time.Duration(h.Sum32()%60) * time.Minute
	early := []time.Duration{time.Hour, 4 * time.Hour, 12 * time.Hour}
	switch {
	case s.Checks < len(early):
		s.NextCheckAt = s.Began.Add(early[s.Checks])
	case s.Checks < len(early)+13:
		s.NextCheckAt = s.Began.Add(time.Duration(s.Checks-len(early)+1)*24*time.Hour + spread)
	default:
		s.NextCheckAt = s.Began.Add(14 * 24 * time.Hour)
	}
	s.Status, s.ApprovalSeconds = "soaking", 14*24*3600
	return s
}

func (s *stubs) invoke(_ context.Context, arn string, payload []byte) ([]byte, *stepfunctions.FunctionError, error) {
	name := arn[strings.LastIndex(arn, ":")+1:]
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[name]++
	s.mu.Unlock()
	var in stubPayload
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, nil, err
	}
	var answer any
	switch name {
	case "disable":
		answer = map[string]any{"status": "disabled", "soak": soaking{Began: s.clock.Now()}.next(in.State.Case.UserID)}
	case "wait-soak":
		soak := in.State.Soak
		soak.Checks++
		if !s.clock.Now().Before(soak.Began.Add(14 * 24 * time.Hour)) {
			soak.Status = "quiet"
		} else {
			soak = soak.next(in.State.Case.UserID)
		}
		answer = soak
	case "request-approval":
		if s.asked != nil {
			s.asked(in.TaskToken)
		}
		answer = map[string]any{"asked": true}
	case "delete-all-artifacts":
		answer = map[string]any{"status": "deleted"}
	case "log":
		answer = map[string]any{"logged": true}
	default:
		return nil, nil, fmt.Errorf("nobody expected a call of %s", name)
	}
	out, err := json.Marshal(answer)
	return out, nil, err
}

// caseInput is as long as the product's own.
func caseInput(n int) string { return caseAt(n, start().Add(time.Hour)) }

func caseAt(n int, turn time.Time) string {
	return fmt.Sprintf(`{"case":{"user_id":"AIDAEXAMPLE%06d","turn_at":%q,"name":"user-%06d","cleanup":"arn:aws:states:eu-west-1:123456789012:execution:sunset:spring"},`+
		`"plan":"plans/spring/%s","settings":"821f1ae7eb3f"}`, n, turn.Format(time.RFC3339Nano), n, strings.Repeat("0123456789abcdef", 16))
}

// errKilled is what a dead process would not even hear.
var errKilled = errors.New("killed")

// mortal is a journal whose process dies at a commit: before it, or after it and before anything follows from it.
type mortal struct {
	stepfunctions.Journal
	mu      sync.Mutex
	dies    int // at which commit, counted from 1; 0 is never
	after   bool
	commits int
	dead    bool
}

func (m *mortal) Commit(writes []stepfunctions.Write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errKilled
	}
	m.commits++
	if m.commits != m.dies {
		return m.Journal.Commit(writes)
	}
	m.dead = true
	if m.after {
		if err := m.Journal.Commit(writes); err != nil {
			return err
		}
	}
	return errKilled
}

func (m *mortal) died() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// engineOn is an engine of the shipped definition, with the stubs as its functions.
func engineOn(tb testing.TB, s *stubs, d *asl.Definition, key signature.Key, j stepfunctions.Journal, onEnd func(stepfunctions.Execution)) (*stepfunctions.Engine, error) {
	tb.Helper()
	return stepfunctions.New(stepfunctions.Config{
		Timers: s.clock, Name: "sunset", Region: "eu-west-1", AccountID: "123456789012", Definition: d, Invoke: s.invoke,
		Rand: rand.NewChaCha8([32]byte{7}), Journal: j, Key: key, OnEnd: onEnd,
	})
}

package stepfunctions

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// Journal is where an engine writes down what its executions have come to. Package journal keeps it in a file, Memory
// as long as the process lasts. An engine has its journal for itself.
//
// After an error of Commit the engine is ahead of its journal, and does nothing more.
type Journal interface {
	// Begin binds the journal to a state machine and tells when that was done first. It keeps the definition, beside
	// those of earlier days that executions began with. A journal of another state machine is refused.
	Begin(stateMachineARN, definition string, at time.Time) (created time.Time, err error)
	// Definition is the one of that sum.
	Definition(sum string) (source string, err error)
	// Entries calls each with every execution, in the order of their starts, until it fails.
	Entries(each func(Entry) error) error
	// Entry is the execution of that number.
	Entry(number uint64) (Entry, error)
	// Events are those of an execution from the one with the ID from on, at most so many.
	Events(number uint64, from int64, most int) ([]asl.Event, error)
	// Commit writes all or nothing. Once it returns, neither a kill nor a loss of power undoes it.
	Commit(writes []Write) error
}

// Entry is an execution as it stands.
type Entry struct {
	// Number counts executions in the order of their starts, from 1.
	Number uint64
	// Definition is the Sum of the one that the execution began with.
	Definition string
	// StartedBy is the ARN of who started it, where the engine knows.
	StartedBy string
	// RedriveToken is the clientToken of the last redrive.
	RedriveToken string
	// Saved is what asl.Execution.Save wrote: it holds task tokens.
	Saved []byte
}

// Write is an execution as it stands now, and what has happened since its last Write.
type Write struct {
	Entry
	Events []asl.Event
}

// Sum tells definitions apart: SHA-256, in hex.
func Sum(definition string) string {
	sum := sha256.Sum256([]byte(definition))
	return hex.EncodeToString(sum[:])
}

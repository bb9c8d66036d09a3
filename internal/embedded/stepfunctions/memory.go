package stepfunctions

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// Memory is a Journal that lasts as long as the process. The zero Memory is empty.
type Memory struct {
	mu          sync.Mutex
	machine     string
	created     time.Time
	definitions map[string]string
	entries     []Entry // number 1 is the first
	events      [][]asl.Event
}

var _ Journal = (*Memory)(nil)

// Begin binds the journal to a state machine and tells when that was done first.
func (m *Memory) Begin(stateMachineARN, definition string, at time.Time) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.machine == "" {
		m.machine, m.created, m.definitions = stateMachineARN, at, map[string]string{}
	}
	if m.machine != stateMachineARN {
		return time.Time{}, fmt.Errorf("the journal is of state machine %s, not %s", m.machine, stateMachineARN)
	}
	m.definitions[Sum(definition)] = definition
	return m.created, nil
}

// Definition is the one of that sum.
func (m *Memory) Definition(sum string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	source, ok := m.definitions[sum]
	if !ok {
		return "", fmt.Errorf("the journal has no definition %s", sum)
	}
	return source, nil
}

// Entries calls each with every execution, in the order of their starts, until it fails.
func (m *Memory) Entries(each func(Entry) error) error {
	m.mu.Lock()
	entries := slices.Clone(m.entries)
	m.mu.Unlock()
	for _, en := range entries {
		if err := each(en); err != nil {
			return err
		}
	}
	return nil
}

// Entry is the execution of that number.
func (m *Memory) Entry(number uint64) (Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if number < 1 || number > uint64(len(m.entries)) {
		return Entry{}, fmt.Errorf("the journal has no execution number %d", number)
	}
	return m.entries[number-1], nil
}

// Events are those of an execution from the one with the ID from on, at most so many.
func (m *Memory) Events(number uint64, from int64, most int) ([]asl.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if number < 1 || number > uint64(len(m.events)) {
		return nil, fmt.Errorf("the journal has no execution number %d", number)
	}
	all := m.events[number-1]
	first := min(max(from-1, 0), int64(len(all)))
	return slices.Clone(all[first:min(first+int64(most), int64(len(all)))]), nil
}

// Commit keeps all.
func (m *Memory) Commit(writes []Write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range writes {
		if w.Number == uint64(len(m.entries))+1 {
			m.entries, m.events = append(m.entries, Entry{}), append(m.events, nil)
		}
		if w.Number < 1 || w.Number > uint64(len(m.entries)) {
			return fmt.Errorf("execution number %d is out of turn", w.Number)
		}
		m.entries[w.Number-1] = w.Entry
		m.events[w.Number-1] = append(m.events[w.Number-1], w.Events...)
	}
	return nil
}

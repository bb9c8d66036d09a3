// Package journal keeps the executions of an embedded engine in one file, which a bbolt B+tree lies in. Each commit is
// one transaction, synced: a kill or a loss of power leaves the last one or the one before it, never half.
//
// bbolt checks its two root pages only, so that every value here carries a checksum of its own and its key, and Open
// reads the whole file before it takes it: one that is damaged, cut short, foreign or of a newer format is refused, and
// left as it is. A damaged root page can't be told from a commit that a loss of power tore, so that what stands before
// that commit is taken.
//
// The file holds task tokens and what functions were told. It is readable by its owner alone.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// Format is the one that this program writes, and the newest that it reads.
const Format = 1

// Buckets: what the journal is of; definitions by their sum; executions by their number; events by the execution's number
// and the ID of the first.
var (
	aboutBucket      = []byte("about")
	definitionBucket = []byte("definitions")
	entryBucket      = []byte("executions")
	eventBucket      = []byte("events")
)

// lockWait is how long Open waits for another process that has the file.
const lockWait = 300 * time.Millisecond

// Journal is a stepfunctions.Journal in a file. One process at a time has it.
type Journal struct {
	db   *bbolt.DB
	path string
	mu   sync.Mutex // of pack
	pack packer
}

var _ stepfunctions.Journal = (*Journal)(nil)

// Option changes how a journal is kept.
type Option func(*bbolt.Options)

// NoSync leaves it to the operating system when to write: for tests, which no loss of power interrupts.
func NoSync() Option { return func(o *bbolt.Options) { o.NoSync = true } }

// Open opens the journal at path, or makes it. It refuses what it doesn't understand whole, in one sentence, and then
// has changed nothing.
func Open(path string, options ...Option) (*Journal, error) {
	o := bbolt.Options{
		Timeout: lockWait,
		// The list of free pages is found again at the next Open, which reads every page anyway: a commit is the
		// smaller for it, and a damaged list can't have a page overwritten that is in use.
		NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	}
	for _, option := range options {
		option(&o)
	}
	_, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = create(path, o)
	case err == nil:
		err = check(path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the journal %s: %w", path, err)
	}
	j := &Journal{path: path}
	if err := guard(func() (err error) {
		j.db, err = bbolt.Open(path, 0o600, &o)
		return named(err)
	}); err != nil {
		return nil, fmt.Errorf("opening the journal %s: %w", path, err)
	}
	return j, nil
}

// create makes a journal elsewhere and gives it its name once it is whole.
func create(path string, o bbolt.Options) error {
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(unfinished, 0o600, &o)
	if err != nil {
		return named(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{aboutBucket, definitionBucket, entryBucket, eventBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return putText(tx, aboutBucket, "format", fmt.Sprint(Format))
	})
	if err := errors.Join(err, db.Sync(), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// named says in a user's words why bbolt can't open a file.
func named(err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return errors.New("another process has it open")
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, bbolterrors.ErrChecksum):
		return fmt.Errorf("it is no journal, or its beginning is damaged: %w", err)
	}
	return err
}

// guard makes an error of what a damaged file does to bbolt: it panics, or reads beyond the file's end.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is damaged: %v", p)
		}
	}()
	return f()
}

// Close lets others have the file. An engine that still runs on it can write no more.
func (j *Journal) Close() error {
	if err := j.db.Close(); err != nil {
		return fmt.Errorf("closing the journal %s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) view(f func(*bbolt.Tx) error) error {
	if err := guard(func() error { return j.db.View(f) }); err != nil {
		return fmt.Errorf("reading the journal %s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) update(f func(*bbolt.Tx) error) error {
	if err := guard(func() error { return j.db.Update(f) }); err != nil {
		return fmt.Errorf("writing the journal %s: %w", j.path, err)
	}
	return nil
}

// Begin binds the journal to a state machine and tells when that was done first.
func (j *Journal) Begin(stateMachineARN, definition string, at time.Time) (created time.Time, err error) {
	err = j.update(func(tx *bbolt.Tx) error {
		of, since, err := boundTo(tx)
		switch {
		case err != nil:
			return err
		case of == "":
			of, since = stateMachineARN, at.Round(0).UTC()
			err = errors.Join(putText(tx, aboutBucket, "machine", of), putText(tx, aboutBucket, "created", since.Format(time.RFC3339Nano)))
		case of != stateMachineARN:
			err = fmt.Errorf("it is of state machine %s, not %s", of, stateMachineARN)
		}
		created = since
		if err != nil {
			return err
		}
		return putText(tx, definitionBucket, stepfunctions.Sum(definition), definition)
	})
	return created, err
}

func boundTo(tx *bbolt.Tx) (machine string, since time.Time, err error) {
	if tx.Bucket(aboutBucket).Get([]byte("machine")) == nil {
		return "", time.Time{}, nil
	}
	if machine, err = getText(tx, aboutBucket, "machine"); err != nil {
		return "", time.Time{}, err
	}
	text, err := getText(tx, aboutBucket, "created")
	if err != nil {
		return "", time.Time{}, err
	}
	since, err = time.Parse(time.RFC3339Nano, text)
	return machine, since, err
}

// Definition is the one of that sum.
func (j *Journal) Definition(sum string) (source string, err error) {
	err = j.view(func(tx *bbolt.Tx) error {
		source, err = getText(tx, definitionBucket, sum)
		return err
	})
	return source, err
}

// Entries calls each with every execution, in the order of their starts, until it fails.
func (j *Journal) Entries(each func(stepfunctions.Entry) error) error {
	return j.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(entryBucket).ForEach(func(key, value []byte) error {
			entry, err := unpackEntry(key, value)
			if err != nil {
				return err
			}
			return each(entry)
		})
	})
}

// Entry is the execution of that number.
func (j *Journal) Entry(number uint64) (entry stepfunctions.Entry, err error) {
	err = j.view(func(tx *bbolt.Tx) error {
		key := entryKey(number)
		entry, err = unpackEntry(key, tx.Bucket(entryBucket).Get(key))
		return err
	})
	return entry, err
}

// Events are those of an execution from the one with the ID from on, at most so many.
func (j *Journal) Events(number uint64, from int64, most int) (events []asl.Event, err error) {
	from = max(from, 1)
	err = j.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(eventBucket).Cursor()
		key, value := c.Seek(eventKey(number, from))
		if n, id := numberAndID(key); n != number || id != from { // it is inside the chunk before
			key, value = c.Prev()
			if key == nil && len(value) == 0 {
				key, value = c.First()
			}
		}
		for ; key != nil && len(events) < most; key, value = c.Next() {
			n, _ := numberAndID(key)
			switch {
			case n < number:
				continue
			case n > number:
				return nil
			}
			chunk, err := unpackEvents(key, value)
			if err != nil {
				return err
			}
			for _, ev := range chunk {
				if ev.ID >= from && len(events) < most {
					events = append(events, ev)
				}
			}
		}
		return nil
	})
	return events, err
}

// Commit writes all or nothing, durably.
func (j *Journal) Commit(writes []stepfunctions.Write) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.update(func(tx *bbolt.Tx) error {
		entries, events := tx.Bucket(entryBucket), tx.Bucket(eventBucket)
		for _, w := range writes {
			before := int64(0)
			key := entryKey(w.Number)
			if old := entries.Get(key); old != nil {
				var err error
				if before, err = eventsOf(key, old); err != nil {
					return err
				}
			}
			after := before + int64(len(w.Events))
			if len(w.Events) > 0 {
				if w.Events[0].ID != before+1 || w.Events[len(w.Events)-1].ID != after || after > math.MaxUint32 {
					return fmt.Errorf("the events of execution number %d don't follow on those that are there", w.Number)
				}
				first := eventKey(w.Number, before+1)
				value, err := j.pack.events(first, w.Events)
				if err != nil {
					return err
				}
				if err := events.Put(first, value); err != nil {
					return err
				}
			}
			value, err := packEntry(key, w.Entry, after)
			if err != nil {
				return err
			}
			if err := entries.Put(key, value); err != nil {
				return err
			}
		}
		return nil
	})
}

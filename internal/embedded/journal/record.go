package journal

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// A value is its checksum over key and rest (CRC-32C, 4 bytes), a count (4 bytes, big endian) and JSON, deflated. The
// count is how many events a chunk has, or an execution in all; of a text it is 0.
const header = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// packer makes values. Its buffers serve one value after the other.
type packer struct {
	writer *flate.Writer
	buffer bytes.Buffer
}

func (p *packer) value(key []byte, count int64, v any) ([]byte, error) {
	p.buffer.Reset()
	var head [header]byte
	binary.BigEndian.PutUint32(head[4:], uint32(count))
	p.buffer.Write(head[:])
	if p.writer == nil {
		w, err := flate.NewWriter(&p.buffer, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		p.writer = w
	} else {
		p.writer.Reset(&p.buffer)
	}
	if err := errors.Join(json.NewEncoder(p.writer).Encode(v), p.writer.Close()); err != nil {
		return nil, err
	}
	out := bytes.Clone(p.buffer.Bytes())
	binary.BigEndian.PutUint32(out, sumOf(key, out))
	return out, nil
}

func sumOf(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value[4:])
}

// sound checks a value and gives its count.
func sound(key, value []byte) (count int64, err error) {
	switch {
	case len(value) < header:
		return 0, fmt.Errorf("it is damaged: nothing stands under %x", key)
	case binary.BigEndian.Uint32(value) != sumOf(key, value):
		return 0, fmt.Errorf("it is damaged: what stands under %x is not what was written", key)
	}
	return int64(binary.BigEndian.Uint32(value[4:])), nil
}

func open(key, value []byte, v any) (count int64, err error) {
	if count, err = sound(key, value); err != nil {
		return 0, err
	}
	data, err := io.ReadAll(flate.NewReader(bytes.NewReader(value[header:])))
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return 0, fmt.Errorf("it can't be read under %x: %w", key, err)
	}
	return count, nil
}

func putText(tx *bbolt.Tx, bucket []byte, key, text string) error {
	value, err := (&packer{}).value([]byte(key), 0, text)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put([]byte(key), value)
}

func getText(tx *bbolt.Tx, bucket []byte, key string) (text string, err error) {
	_, err = open([]byte(key), tx.Bucket(bucket).Get([]byte(key)), &text)
	return text, err
}

type entryRecord struct {
	Definition   string          `json:"definition"`
	StartedBy    string          `json:"started_by,omitempty"`
	RedriveToken string          `json:"redrive_token,omitempty"`
	Saved        json.RawMessage `json:"saved"`
}

func entryKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

func (p *packer) entry(key []byte, e stepfunctions.Entry, events int64) ([]byte, error) {
	return p.value(key, events, entryRecord{e.Definition, e.StartedBy, e.RedriveToken, e.Saved})
}

func unpackEntry(key, value []byte) (stepfunctions.Entry, error) {
	var r entryRecord
	if _, err := open(key, value, &r); err != nil {
		return stepfunctions.Entry{}, err
	}
	return stepfunctions.Entry{
		Number: binary.BigEndian.Uint64(key), Definition: r.Definition, StartedBy: r.StartedBy, RedriveToken: r.RedriveToken, Saved: r.Saved,
	}, nil
}

// eventsOf is how many events an execution has had.
func eventsOf(key, value []byte) (int64, error) { return sound(key, value) }

type eventRecord struct {
	ID        int64         `json:"i"`
	Previous  int64         `json:"p,omitempty"`
	Time      time.Time     `json:"t"`
	Type      asl.EventType `json:"y"`
	State     string        `json:"s,omitempty"`
	Payload   string        `json:"d,omitempty"`
	Error     string        `json:"e,omitempty"`
	Cause     string        `json:"c,omitempty"`
	Function  string        `json:"f,omitempty"`
	Timeout   time.Duration `json:"o,omitempty"`
	Heartbeat time.Duration `json:"h,omitempty"`
	Redrives  int           `json:"r,omitempty"`
}

func eventKey(number uint64, id int64) []byte {
	return binary.BigEndian.AppendUint64(entryKey(number), uint64(id))
}

func numberAndID(key []byte) (number uint64, id int64) {
	if len(key) != 16 {
		return 0, 0
	}
	return binary.BigEndian.Uint64(key), int64(binary.BigEndian.Uint64(key[8:]))
}

func (p *packer) events(key []byte, events []asl.Event) ([]byte, error) {
	out := make([]eventRecord, len(events))
	for i, ev := range events {
		out[i] = eventRecord{
			ev.ID, ev.PreviousID, ev.Time, ev.Type, ev.State, ev.Payload, ev.Error, ev.Cause, ev.Function,
			ev.Timeout, ev.Heartbeat, ev.Redrives,
		}
	}
	return p.value(key, int64(len(events)), out)
}

func unpackEvents(key, value []byte) ([]asl.Event, error) {
	var records []eventRecord
	if _, err := open(key, value, &records); err != nil {
		return nil, err
	}
	out := make([]asl.Event, len(records))
	for i, r := range records {
		out[i] = asl.Event{
			ID: r.ID, PreviousID: r.Previous, Time: r.Time, Type: r.Type, State: r.State, Payload: r.Payload,
			Error: r.Error, Cause: r.Cause, Function: r.Function, Timeout: r.Timeout, Heartbeat: r.Heartbeat, Redrives: r.Redrives,
		}
	}
	return out, nil
}

package journal

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// A value is its checksum over key and rest (CRC-32C, 4 bytes), a count (4 bytes, big endian) and a content. The count
// is how many events a chunk has, or an execution in all; of a text it is 0. Chunks of events are deflated: they are
// written once, and say the same thing over and over.
const header = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func seal(key []byte, count int64, content ...[]byte) []byte {
	out := binary.BigEndian.AppendUint32(make([]byte, 4, 256), uint32(count))
	for _, part := range content {
		out = append(out, part...)
	}
	binary.BigEndian.PutUint32(out, sumOf(key, out))
	return out
}

// packer deflates. Its buffers serve one chunk after the other.
type packer struct {
	writer *flate.Writer
	buffer bytes.Buffer
}

func (p *packer) deflate(v any) ([]byte, error) {
	p.buffer.Reset()
	if p.writer == nil {
		w, err := flate.NewWriter(&p.buffer, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		p.writer = w
	} else {
		p.writer.Reset(&p.buffer)
	}
	err := errors.Join(json.NewEncoder(p.writer).Encode(v), p.writer.Close())
	return p.buffer.Bytes(), err
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

func putText(tx *bbolt.Tx, bucket []byte, key, text string) error {
	return tx.Bucket(bucket).Put([]byte(key), seal([]byte(key), 0, []byte(text)))
}

func getText(tx *bbolt.Tx, bucket []byte, key string) (string, error) {
	value := tx.Bucket(bucket).Get([]byte(key))
	if _, err := sound([]byte(key), value); err != nil {
		return "", err
	}
	return string(value[header:]), nil
}

// entryRecord is an entry but for what was saved, which follows on it. Its length in 4 bytes goes before both.
type entryRecord struct {
	Definition   string `json:"definition"`
	StartedBy    string `json:"started_by,omitempty"`
	RedriveToken string `json:"redrive_token,omitempty"`
}

func entryKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

func packEntry(key []byte, e stepfunctions.Entry, events int64) ([]byte, error) {
	record, err := json.Marshal(entryRecord{e.Definition, e.StartedBy, e.RedriveToken})
	if err != nil {
		return nil, err
	}
	return seal(key, events, binary.BigEndian.AppendUint32(nil, uint32(len(record))), record, e.Saved), nil
}

func unpackEntry(key, value []byte) (stepfunctions.Entry, error) {
	if _, err := sound(key, value); err != nil {
		return stepfunctions.Entry{}, err
	}
	content := value[header:]
	if len(content) < 4 || uint64(binary.BigEndian.Uint32(content)) > uint64(len(content)-4) {
		return stepfunctions.Entry{}, fmt.Errorf("it can't be read under %x", key)
	}
	n := 4 + binary.BigEndian.Uint32(content)
	var r entryRecord
	if err := json.Unmarshal(content[4:n], &r); err != nil {
		return stepfunctions.Entry{}, fmt.Errorf("it can't be read under %x: %w", key, err)
	}
	return stepfunctions.Entry{
		Number: binary.BigEndian.Uint64(key), Definition: r.Definition, StartedBy: r.StartedBy, RedriveToken: r.RedriveToken,
		Saved: bytes.Clone(content[n:]), // the rest is the file's own memory
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
	content, err := p.deflate(out)
	if err != nil {
		return nil, err
	}
	return seal(key, int64(len(events)), content), nil
}

func unpackEvents(key, value []byte) ([]asl.Event, error) {
	if _, err := sound(key, value); err != nil {
		return nil, err
	}
	var records []eventRecord
	if err := json.NewDecoder(flate.NewReader(bytes.NewReader(value[header:]))).Decode(&records); err != nil {
		return nil, fmt.Errorf("it can't be read under %x: %w", key, err)
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

package audit_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
)

// However sealed evidence is garbled, one file at a time: it does not verify any more. Left out are what the package
// says that nothing in the evidence tells of, and the copies of keys, which are there for convenience.
func FuzzEvidence(f *testing.F) {
	f.Add(uint16(0), uint16(0), byte(0), []byte{1})
	f.Add(uint16(3), uint16(10), byte(1), []byte("xxxx"))
	f.Add(uint16(5), uint16(7), byte(2), []byte(" "))
	f.Add(uint16(7), uint16(0), byte(3), []byte(`{"chain":"case/c1-A","seq":5,"prev":"","kind":"closed","at":"2026-01-05T09:00:00Z"}`+"\n"))
	f.Add(uint16(2), uint16(0), byte(4), []byte(`{}`))
	f.Add(uint16(9), uint16(0), byte(5), []byte{})
	f.Add(uint16(1), uint16(4), byte(6), []byte{})
	f.Add(uint16(11), uint16(200), byte(0), []byte{0x20})
	f.Add(uint16(12), uint16(0xffff), byte(2), []byte("\n"))
	var once sync.Once
	var files fstest.MapFS
	var key audit.PublicKey
	f.Fuzz(func(t *testing.T, which, where uint16, how byte, with []byte) {
		once.Do(func() {
			k, public := newKey(t)
			files, key = evidenceOf(t, whole(t, k)), public
			require.Empty(t, verify(t, files, key).Problems)
		})
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool { return strings.HasPrefix(name, "key/") })
		name := names[int(which)%len(names)]
		changed, was := maps.Clone(files), files[name].Data
		at := int(where) % (len(was) + 1)
		var body []byte
		switch how % 7 {
		case 0: // some bits
			body = bytes.Clone(was)
			if len(with) > 0 && at < len(body) {
				body[at] ^= with[0]
			}
		case 1: // some bytes less
			body = append(bytes.Clone(was[:at]), was[min(len(was), at+len(with)):]...)
		case 2: // some more
			body = append(append(bytes.Clone(was[:at]), with...), was[at:]...)
		case 3: // other bytes
			body = bytes.Clone(with)
		case 4: // a record behind the last one of a chain
			dir := name[:strings.LastIndexByte(name, '/')]
			if !strings.Contains(dir, "/") {
				return
			}
			name = dir + "/" + []string{"000009.json", "000005.json", "000000.json"}[at%3]
			if _, there := files[name]; there {
				return
			}
			body = bytes.Clone(with)
		case 5: // the file is gone
			if name == "checkpoint/2026-01-05.json" {
				return // the newest checkpoint, of which nothing tells
			}
			delete(changed, name)
		case 6: // it is there under the name of another
			other := names[at%len(names)]
			body = bytes.Clone(files[other].Data)
		}
		if how%7 != 5 {
			if before, there := files[name]; there && bytes.Equal(before.Data, body) {
				return // nothing was changed
			}
			changed[name] = &fstest.MapFile{Data: body, Mode: 0o600}
		}
		report, err := audit.Verify(changed, key)
		require.True(t, err != nil || len(report.Problems) > 0, "%s was garbled in way %d to\n%q\nand verifies", name, how%7, body)
	})
}

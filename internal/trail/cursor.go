package trail

import (
	"encoding/hex"
	"hash/fnv"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Cursor says where a cross-check goes on. It belongs to its query: the same regions and candidates in the same order.
// Its JSON is a few hundred bytes.
type Cursor struct {
	// Of is a checksum of the query.
	Of      string           `json:"of"`
	Regions map[string]place `json:"regions"`
	// Used are the candidates that were proven used and that some lane has still before it.
	Used []int `json:"used,omitempty"`
}

// place is where one region's lane stands: at this candidate, before this page.
type place struct {
	Candidate int    `json:"c"`
	Name      int    `json:"n,omitempty"`
	Token     string `json:"t,omitempty"`
	// Pages and Unclear count pages and unreadable events of this candidate so far.
	Pages   int `json:"p,omitempty"`
	Unclear int `json:"u,omitempty"`
	// Wait is how many milliseconds the lane has to wait before it goes on.
	Wait int64 `json:"w,omitempty"`
}

// next moves on to the next candidate.
func (p *place) next() { *p = place{Candidate: p.Candidate + 1} }

func (q Query) checksum() string {
	h := fnv.New64a()
	write := func(s string) { _, _ = h.Write(append([]byte(s), 0)) } // a hash takes every write
	for _, r := range q.Regions {
		write(r)
	}
	for _, c := range q.Candidates {
		write(c.UserID)
		for _, n := range c.names() {
			write(n)
		}
	}
	write(q.Since.UTC().Format(time.RFC3339Nano))
	write(q.Until.UTC().Format(time.RFC3339Nano))
	return hex.EncodeToString(h.Sum(nil))
}

// start gives each region's place: the cursor's, or the beginning.
func (q Query) start() (map[string]place, error) {
	if q.Cursor == nil {
		places := map[string]place{}
		for i, r := range q.Regions {
			// Lanes go one after the other, so that they neither send in bursts nor depend on chance.
			step := (gap / time.Duration(len(q.Regions))).Milliseconds()
			places[r] = place{Wait: int64(i) * step}
		}
		return places, nil
	}
	if q.Cursor.Of != q.checksum() {
		return nil, sunset.Faultf(sunset.Invalid, "cursor: it is of another cross-check: regions, candidates or times differ; begin again without it")
	}
	return q.Cursor.Regions, nil
}

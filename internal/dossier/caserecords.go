package dossier

import (
	"encoding/json"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// take reads what a record tells, and reports whether it is told then.
func (c *Case) take(r audit.Record) bool {
	switch r.Kind {
	case "claimed":
		var data struct {
			Turn  time.Time     `json:"turn"`
			Entry *sunset.Entry `json:"entry"`
		}
		if !read(r, &data) {
			return false
		}
		c.Claimed, c.Turn, c.Entry = r.At, data.Turn, data.Entry
		return true
	case "snapshot":
		var data struct {
			Key    string `json:"snapshot"`
			SHA256 string `json:"sha256"`
		}
		if !read(r, &data) {
			return false
		}
		c.Snapshot = &Attachment{Key: data.Key, SHA256: data.SHA256}
		return true
	case "intent", "outcome":
		return c.change(r)
	case "disabled":
		var data struct {
			Quarantine *sunset.Quarantine `json:"quarantine"`
			Until      time.Time          `json:"soak_until"`
		}
		if !read(r, &data) {
			return false
		}
		c.Disabled, c.Quarantine, c.SoakUntil = r.At, data.Quarantine, data.Until
		return true
	case "listened":
		check := Check{}
		if !read(r, &check) {
			return false
		}
		check.At, check.Text, check.Seq = r.At, r.Text, r.Seq
		c.Checks = append(c.Checks, check)
		c.Signals = sunset.MergeSignals(c.Signals, check.All)
		if !check.Soak.IsZero() {
			c.SoakUntil = check.Soak
		}
		return true
	}
	return c.takeEnd(r)
}

// takeEnd reads what the approvers did, and how it ended.
func (c *Case) takeEnd(r audit.Record) bool {
	switch r.Kind {
	case "requested":
		request := Request{At: r.At}
		if !read(r, &request) {
			return false
		}
		c.Requests = append(c.Requests, request)
		return true
	case "decision":
		var d sunset.Decision
		if !read(r, &d) {
			return false
		}
		d.MAC, d.RequestID = nil, "" // nobody has to know these
		if d.At.IsZero() {
			d.At = r.At
		}
		c.Decisions = append(c.Decisions, d)
		return true
	case "deletion-refused":
		refused := Refused{At: r.At, Text: r.Text}
		if !read(r, &refused) {
			return false
		}
		c.Refusals = append(c.Refusals, refused)
		return true
	case "deleting":
		d := Deleting{At: r.At}
		if !read(r, &d) {
			return false
		}
		c.Deleting = &d
		return true
	case "restored":
		done := Restored{At: r.At}
		if !read(r, &done) {
			return false
		}
		c.Restored = &done
		return true
	case "rescue":
		c.Rescue = &sunset.Rescue{}
		if !read(r, c.Rescue) {
			c.Rescue.Reason = r.Text
		}
		c.Rescue.By, c.Rescue.At = r.By, r.At
		return false // among the others it is in its place in time
	case "closed", "failed":
		var data struct {
			Outcome sunset.Outcome `json:"outcome"`
			Reason  string         `json:"reason"`
			Cause   string         `json:"cause"`
		}
		if read(r, &data) {
			c.Outcome, c.Reason, c.Ended = data.Outcome, data.Reason, r.At
			if data.Cause != "" {
				c.Reason = data.Cause
			}
		}
	case "facts-moved":
		var data struct {
			Signals []sunset.Signal `json:"signals"`
		}
		if read(r, &data) {
			c.Signals = sunset.MergeSignals(c.Signals, data.Signals)
		}
	case "owner-told":
		told := Told{At: r.At}
		if read(r, &told) {
			c.Told = append(c.Told, told)
		}
	case "handed-over", "owner-agreed":
		c.Words = append(c.Words, r.Text)
	case "redriven":
		c.Outcome, c.Reason, c.Ended = "", "", time.Time{}
	}
	return false
}

// change joins an outcome with its intent.
func (c *Case) change(r audit.Record) bool {
	var done Change
	if !read(r, &done) || done.Action == "" {
		return false
	}
	if r.Kind == "intent" {
		done.Meant = r.At
		c.Changes = append(c.Changes, done)
		return true
	}
	done.Done = r.At
	for i := len(c.Changes) - 1; i >= 0; i-- {
		if meant := &c.Changes[i]; meant.Action == done.Action && meant.Target == done.Target && meant.Done.IsZero() {
			done.Meant = meant.Meant
			*meant = done
			return true
		}
	}
	c.Changes = append(c.Changes, done)
	return true
}

func read(r audit.Record, into any) bool {
	return len(r.Data) > 0 && json.Unmarshal(r.Data, into) == nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
)

// narrator prints the records that people want to follow, as they are written: what is told is what is on record.
type narrator struct {
	store.Objects
	out io.Writer
}

// Put writes the object, and tells of it where it is a record worth telling.
func (n narrator) Put(ctx context.Context, key string, body []byte) error {
	if err := n.Objects.Put(ctx, key, body); err != nil {
		return err
	}
	if !strings.HasPrefix(key, "evidence/case/") && !strings.HasPrefix(key, "evidence/cleanup/") {
		return nil
	}
	var r audit.Record
	if json.Unmarshal(body, &r) != nil {
		return nil
	}
	paint := map[string]text.Color{
		"plan": text.FgCyan, "closed": text.FgCyan, "claimed": text.FgBlue, "disabled": text.FgYellow, "decision": text.FgMagenta,
		"deleted": text.FgRed, "restored": text.FgGreen, "failed": text.FgHiRed, "skipped": text.FgGreen, "deletion-refused": text.FgHiRed,
	}
	color, told := paint[r.Kind]
	switch {
	case r.Kind == "listened" && strings.HasPrefix(r.Text, "Something"):
		color, told = text.FgHiYellow, true
	case r.Kind == "closed" && r.CaseID != "":
		told = false
	}
	if told {
		fmt.Fprintf(n.out, "%s  %s\n", r.At.Format("Mon 02 Jan 15:04"), color.Sprint(r.Text))
	}
	return nil
}

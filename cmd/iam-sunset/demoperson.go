package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// demoPerson gets the demo's messages. A link goes to whoever watches, and time stands still until they have decided;
// or else it decides by itself, over the same pages.
type demoPerson struct {
	story *story
	auto  bool
	clock *clock.Virtual
	desk  *approval.Desk

	mu      sync.Mutex
	release func() // set while time stands still for a person
	kept    bool
	err     error
}

// Send takes a message.
func (p *demoPerson) Send(_ context.Context, m approval.Message) error {
	if m.Link == "" || m.ForOwner() {
		return nil // owners of a made-up company read no mail
	}
	if p.auto {
		p.clock.AfterFunc(p.clock.Now().Add(90*time.Minute), func() { p.decideAll(m.Link) })
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.story.say("\n%s\n  %s\n%s\n\n", text.Bold.Sprint(m.Subject+". Open this link, and decide on each:"), text.FgHiCyan.Sprint(m.Link),
		"Time stands still until you have.")
	if p.release == nil {
		p.release = p.clock.Hold()
	}
	return nil
}

// afterPage lets time go on once nothing waits for the person any more.
func (p *demoPerson) afterPage() {
	waiting, err := p.desk.Waiting(context.Background())
	if err != nil || len(waiting) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.release != nil {
		p.release()
		p.release = nil
	}
}

// decideAll keeps what was disturbed, or else the first, and deletes the others.
func (p *demoPerson) decideAll(link string) {
	items, err := p.desk.Inbox(context.Background(), demoApprover)
	if err != nil {
		p.fail(err)
		return
	}
	disturbed := false
	for _, it := range items {
		disturbed = disturbed || it.Request.Disturbed
	}
	for _, it := range items {
		if it.Request.State != sunset.RequestOpen || it.Mine != nil {
			continue
		}
		choice, reason := sunset.ChooseDelete, "nobody has used it, and nobody asked for it"
		if it.Request.Disturbed || (!p.kept && !disturbed) {
			choice, reason = sunset.ChooseKeep, "its owner still needs it"
			p.kept = true
		}
		if err := post(link, it.Request, choice, reason); err != nil {
			p.fail(err)
			return
		}
	}
}

func post(link string, r sunset.ApprovalRequest, choice sunset.Choice, reason string) error {
	resp, err := http.PostForm(link+"/"+r.ID, url.Values{"choice": {string(choice)}, "reason": {reason}, "digest": {r.Digest}})
	if err != nil {
		// The error would repeat the link.
		return fmt.Errorf("deciding on %s: the page did not answer", r.UserName)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		page, _ := io.ReadAll(io.LimitReader(resp.Body, 2000)) // only to say more
		return fmt.Errorf("deciding on %s: the page answered %s: %s", r.UserName, resp.Status, strings.Join(strings.Fields(string(page)), " "))
	}
	return nil
}

func (p *demoPerson) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const approver = "approver@example.com"

// job is what the product's own process is told.
type job struct {
	Dir, Endpoint, Account string
	Admin                  fakeaws.Credentials
	Settings               sunset.Settings
}

// settings are the defaults, with an approver, the exemption, and those whose owners were asked.
func (a *account) settings() sunset.Settings {
	s := sunset.DefaultSettings()
	s.Approvers = []sunset.Approver{{Email: approver}}
	s.Exemptions = []sunset.Exemption{{Tag: "break-glass", Reason: "for an emergency"}}
	s.AcceptUnknown = a.asked()
	return s
}

// telling is a client that says on each call when it is, in virtual time, and for which function it calls.
type telling struct {
	inner    aws.HTTPClient
	clock    clock.Clock
	function string
}

// Do sends the request. Its signature doesn't cover the two headers.
func (c telling) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set(headerNow, c.clock.Now().Format(time.RFC3339Nano))
	r.Header.Set(headerFunction, c.function)
	return c.inner.Do(r)
}

// mailbox is an approver who decides an hour after the mail.
type mailbox struct {
	clock   *clock.Virtual
	machine *onemachine.Machine
	failed  error
}

// Send takes the mail.
func (m *mailbox) Send(_ context.Context, mail approval.Message) error {
	if mail.Link != "" {
		m.clock.AfterFunc(m.clock.Now().Add(time.Hour), func() { m.failed = errors.Join(m.failed, m.decide(mail.Link)) })
	}
	return nil
}

func (m *mailbox) decide(link string) error {
	items, err := m.machine.Desk.Inbox(context.Background(), approver)
	if err != nil {
		return fmt.Errorf("opening the approver's inbox: %w", err)
	}
	for _, it := range items {
		if it.Request.State != sunset.RequestOpen || it.Mine != nil {
			continue
		}
		resp, err := http.PostForm(link+"/"+it.Request.ID, url.Values{
			"choice": {string(sunset.ChooseDelete)}, "reason": {"unused for a year"}, "digest": {it.Request.Digest},
		})
		if err != nil {
			return fmt.Errorf("posting a decision: %w", err)
		}
		_ = resp.Body.Close()
	}
	return nil
}

// cleanup runs a whole cleanup over the wire and prints how it ended.
func cleanup(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	begin := time.Now().UTC()
	virtual := clock.NewVirtual(begin)
	dir, err := store.OpenDir(filepath.Join(j.Dir, "store"))
	if err != nil {
		return err
	}
	signer, err := approval.OpenKeyFile(filepath.Join(j.Dir, "decisions.key"))
	if err != nil {
		return err
	}
	wire := func(function string) aws.Config {
		return aws.Config{
			Region: region, BaseEndpoint: &j.Endpoint, HTTPClient: telling{awsfault.WholeBodies(nil), virtual, function},
			Credentials: credentials.NewStaticCredentialsProvider(j.Admin.AccessKeyID, j.Admin.SecretAccessKey, j.Admin.SessionToken),
		}
	}
	box := &mailbox{clock: virtual}
	box.machine, err = onemachine.Start(onemachine.Config{
		AWS: wire("reconcile"), AccountID: j.Account, Region: region, Time: virtual, Objects: dir.Objects(), Rows: dir.Rows(),
		Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: box,
		Settings:  func(context.Context) (sunset.Settings, error) { return j.Settings, nil },
		Log:       slog.New(slog.NewTextHandler(io.Discard, nil)),
		PagesAddr: "127.0.0.1:0",
		Each: func(function string, w workflow.World) workflow.World {
			w.AWS = wire(function)
			return w
		},
	})
	if err != nil {
		return err
	}
	defer box.machine.Close()
	const name = "side-by-side"
	if _, err := box.machine.StartCleanup(context.Background(), name, sunset.Request{Starter: "arn:aws:sts::" + j.Account + ":assumed-role/security/starter@example.org"}); err != nil {
		return err
	}
	var row sunset.Cleanup
	limit := begin.AddDate(0, 3, 0)
	err = virtual.RunUntil(context.Background(), func() bool {
		c, err := box.machine.Cases.Cleanup(context.Background(), name)
		row = c
		return err == nil && !c.Ended.IsZero() || virtual.Now().After(limit)
	})
	if err := errors.Join(err, box.failed); err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "%d eligible, outcomes %v after %.1f virtual days\n", row.Eligible, row.Outcomes, virtual.Now().Sub(begin).Hours()/24)
	return err
}

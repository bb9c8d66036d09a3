package tests

import (
	"context"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
	"github.com/iam-sunset/iam-sunset/internal/store"
)

// mortalTime wakes nobody who is dead.
type mortalTime struct {
	onemachine.Time
	dead *atomic.Bool
}

func (c mortalTime) Sleep(ctx context.Context, d time.Duration) error {
	if c.dead.Load() {
		return errDead
	}
	if err := c.Time.Sleep(ctx, d); err != nil {
		return err
	}
	if c.dead.Load() {
		return errDead
	}
	return nil
}

func (c mortalTime) AfterFunc(t time.Time, f func()) (stop func() bool) {
	return c.Time.AfterFunc(t, func() {
		if !c.dead.Load() {
			f()
		}
	})
}

type mortalJournal struct {
	stepfunctions.Journal
	*mortal
	dead *atomic.Bool
}

func (j mortalJournal) Commit(writes []stepfunctions.Write) error {
	return j.does(j.dead, "commit", "journal", func() error { return j.Journal.Commit(writes) })
}

type mortalObjects struct {
	store.Objects
	*mortal
	dead *atomic.Bool
}

func (o mortalObjects) Put(ctx context.Context, key string, body []byte) error {
	return o.does(o.dead, "object", steady(key), func() error { return o.Objects.Put(ctx, key, body) })
}

type mortalRows struct {
	store.Rows
	*mortal
	dead *atomic.Bool
}

func (r mortalRows) Put(ctx context.Context, key string, version int64, body []byte) (next int64, err error) {
	err = r.does(r.dead, "row", steady(key), func() error {
		next, err = r.Rows.Put(ctx, key, version, body)
		return err
	})
	return next, err
}

var drawn = regexp.MustCompile(`[0-9a-f]{32,}`)

// steady is a key without what is drawn anew in each world.
func steady(key string) string { return drawn.ReplaceAllString(key, "*") }

type mortalCalls struct {
	*mortal
	inner    aws.HTTPClient
	function string
	dead     *atomic.Bool
}

func (c mortalCalls) Do(r *http.Request) (response *http.Response, err error) {
	err = c.does(c.dead, "call", c.function+" "+actionOf(r), func() error {
		response, err = c.inner.Do(r)
		return err
	})
	return response, err
}

//go:build browser

// Package browser opens the product's pages and reports in Debian's Chromium: whole machines in virtual time, and people who
// click, type and read. Every page is looked at in both colour schemes and at a telephone's width, and searched for barriers.
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Most people's screen, and a telephone's.
const (
	wide, tall         = 1280, 900
	narrow, narrowTall = 390, 844
)

// patience is how long the browser may take for one step. It is only reached where something is broken.
const patience = 30 * time.Second

// started is the one browser of all tests.
var started context.Context

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	path, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintln(os.Stderr, "these tests need Chromium: apt-get install chromium")
		return 1
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU,
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("font-render-hinting", "none"))
	if os.Geteuid() == 0 { // Chromium's sandbox refuses root
		options = append(options, chromedp.NoSandbox)
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "starting Chromium:", err)
		return 1
	}
	started = ctx
	return m.Run()
}

// tab is somebody at a browser of his own: no cookie is shared with another tab.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu sync.Mutex
	// hosts are those that may be asked for anything.
	hosts map[string]bool
	// complaints are what the browser had to say: errors, breaches of a policy, requests to strangers.
	complaints []string
}

// open is a new tab. At the end of its test the browser must have had nothing to complain of.
func open(t *testing.T, hosts ...string) *tab {
	t.Helper()
	b := &tab{t: t, hosts: map[string]bool{}}
	for _, h := range hosts {
		b.hosts[h] = true
	}
	ctx, cancel := chromedp.NewContext(started, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	b.ctx = ctx
	require.NoError(t, chromedp.Do(ctx))
	_, err := chromedp.Call(ctx, audits.Enable, struct{}{})
	require.NoError(t, err)
	// A tab that isn't in front would show no focus.
	_, err = chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	require.NoError(t, err)
	b.scheme("light")
	b.size(wide, tall)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.complaints, "the browser complained")
	})
	return b
}

// hear collects what should not happen. It must not ask the browser anything.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	complain := func(format string, args ...any) { b.complaints = append(b.complaints, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// A page that says no has a status that says so too; the browser calls that an error of the network.
		if !(e.Entry.Source == log.EntrySourceNetwork && strings.Contains(e.Entry.Text, "the server responded with a status of")) {
			complain("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		complain("console: %s", e.Type)
	case *runtime.EventExceptionThrown:
		complain("exception: %s", e.ExceptionDetails.Text)
	case *audits.EventIssueAdded:
		if e.Issue.Details.ContentSecurityPolicyIssueDetails != nil || e.Issue.Details.MixedContentIssueDetails != nil {
			complain("issue: %s %+v", e.Issue.Code, e.Issue.Details)
		}
	case *network.EventResponseReceived:
		if e.Type != network.ResourceTypeDocument && e.Response.Status >= 400 {
			complain("%s answered %d", e.Response.URL, e.Response.Status)
		}
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "file" && u.Scheme != "about" && !b.hosts[u.Host] {
			complain("a request to %s", e.Request.URL)
		}
	}
}

// do runs steps within the browser's patience.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

// leads runs steps that lead to another page, and gives the status of that.
func (b *tab) leads(steps ...chromedp.Action[chromedp.Void]) int64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	require.NoError(b.t, err)
	if response == nil { // a file
		return 0
	}
	return int64(response.Status)
}

func (b *tab) goes(address string) int64 {
	b.t.Helper()
	return b.leads(chromedp.Navigate(address))
}

// clicks follows a link or sends a form.
func (b *tab) clicks(selector string) int64 {
	b.t.Helper()
	return b.leads(chromedp.Click(chromedp.CSS(selector)))
}

// picks clicks what leads nowhere, such as a radio button.
func (b *tab) picks(selectors ...string) {
	b.t.Helper()
	for _, s := range selectors {
		b.do(chromedp.Click(chromedp.CSS(s)))
	}
}

func (b *tab) types(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// reads is the text that somebody sees there.
func (b *tab) reads(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	require.NoError(b.t, err)
	return strings.Join(strings.Fields(text), " ")
}

// at is the address that the browser shows.
func (b *tab) at() string {
	b.t.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	require.NoError(b.t, err)
	return at
}

// asks runs a script over the debugger, which no policy of a page binds.
func asks[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err)
	return answer
}

func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	require.NoError(b.t, err)
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
	})
	require.NoError(b.t, err)
}

// host is the host of an address, with its port.
func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Host
}

// clears empties a field as somebody does who selects all of it and types.
func clears(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Clear(chromedp.CSS(selector))
}
